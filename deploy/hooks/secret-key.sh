#!/bin/sh
# After `azd provision`: makes the key that turns secrets into marks, where the vault has none, and has the app look again.
#
# Rules:
# - A key that is there is never replaced, also not one that is disabled or deleted: stored marks need it.
# - What cannot be told apart from "there is none" ends this with an error; nothing is written then.
# - The key is in no argument, no variable of the environment and no output; its file is readable by its owner only.
#
# azd gives AZURE_KEY_VAULT_NAME, SECRET_KEY_NAME and APP_ID, the outputs of main.bicep. The Azure CLI must be signed in.
# A new role takes some minutes to work: the vault is asked TRIES times, with PAUSE seconds in between.
set -eu
: "${AZURE_KEY_VAULT_NAME:?is not set: run this by azd}" "${SECRET_KEY_NAME:?is not set: run this by azd}" "${APP_ID:?is not set: run this by azd}"
umask 077

# The name of the secret where the vault has it; nothing where it has not. Fails where the vault cannot be asked.
listed() {
  az keyvault secret "$1" --vault-name "$AZURE_KEY_VAULT_NAME" --query "[?name=='$SECRET_KEY_NAME'].name" --output tsv
}

wait_for_the_role() {
  try=1
  until found=$(listed list); do
    if [ "$try" -ge "${TRIES:-30}" ]; then
      echo "secret-key: the vault $AZURE_KEY_VAULT_NAME cannot be asked for its secrets, so no key was made." >&2
      echo "Give the account that you are signed in with (az login) the role Key Vault Secrets Officer on it, then run: azd hooks run postprovision" >&2
      exit 1
    fi
    try=$((try + 1))
    sleep "${PAUSE:-20}"
  done
}

make_key() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 1' HUP INT TERM
  head -c 32 /dev/urandom | base64 | tr -d '\n' >"$folder/key"
  if [ "$(wc -c <"$folder/key")" -ne 44 ]; then
    echo "secret-key: no random key could be made on this machine (head, base64), so none was stored." >&2
    exit 1
  fi
  az keyvault secret set --vault-name "$AZURE_KEY_VAULT_NAME" --name "$SECRET_KEY_NAME" \
    --file "$folder/key" --encoding utf-8 --query id --output tsv >/dev/null
  rm -rf "$folder"
}

wait_for_the_role
if [ -n "$found" ]; then
  echo "secret-key: the vault has $SECRET_KEY_NAME; it stays as it is."
else
  deleted=$(listed list-deleted)
  if [ -n "$deleted" ]; then
    echo "secret-key: $SECRET_KEY_NAME was deleted from the vault $AZURE_KEY_VAULT_NAME; a new key could not compare what is stored." >&2
    echo "Recover it: az keyvault secret recover --vault-name $AZURE_KEY_VAULT_NAME --name $SECRET_KEY_NAME" >&2
    exit 1
  fi
  make_key
  echo "secret-key: $SECRET_KEY_NAME was made. Keep a copy of it as safe as a backup of the store: docs/deployment.md."
fi
# The app looked for the key when it was made; without this it looks again within a day.
az rest --method post --output none --url "$APP_ID/config/configreferences/appsettings/refresh?api-version=2022-03-01"

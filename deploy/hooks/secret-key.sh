#!/bin/sh
# After `azd provision`: makes the key that turns secrets into marks, where the vault has none, and has the app look again.
#
# Rules:
# - A key that is there is never replaced, also not one that is disabled or deleted: stored marks need it.
# - What cannot be told apart from "there is none" ends this with an error; nothing is written then.
# - The key is in no argument, no variable of the environment and no output; its file is readable by its owner only.
# - Waited for is what time mends, a role that does not work yet; anything else ends this at once.
#
# azd gives AZURE_KEY_VAULT_NAME, SECRET_KEY_NAME and APP_ID, the outputs of main.bicep. The Azure CLI must be signed in.
# A new role takes some minutes to work: the vault is asked TRIES times, with PAUSE seconds in between.
set -eu
: "${AZURE_KEY_VAULT_NAME:?is not set: run this by azd}" "${SECRET_KEY_NAME:?is not set: run this by azd}" "${APP_ID:?is not set: run this by azd}"
umask 077
again="then run: azd hooks run postprovision"

stop() {
  for line in "$@"; do echo "$line" >&2; done
  exit 1
}

# The name of the secret where the vault has it; nothing where it has not. Fails where the vault cannot be asked.
listed() {
  az keyvault secret "$1" --vault-name "$AZURE_KEY_VAULT_NAME" --query "[?name=='$SECRET_KEY_NAME'].name" --output tsv
}

require_the_azure_cli() {
  command -v az >/dev/null || stop "secret-key: the Azure CLI (az) is not installed, so no key was made." \
    "Install it (learn.microsoft.com/cli/azure/install-azure-cli), sign in with az login, $again"
  az account show --output none || stop "secret-key: the Azure CLI is not signed in, so no key was made." \
    "Sign in with az login, $again"
}

# What a role that does not work yet is answered with: HTTP 403, which the CLI tells as (Forbidden). A firewall says it too.
is_forbidden() {
  grep -q '(Forbidden)' "$folder/refusal" && ! grep -q 'ForbiddenByFirewall' "$folder/refusal"
}

wait_for_the_role() {
  try=1
  until found=$(listed list 2>"$folder/refusal"); do
    cat "$folder/refusal" >&2
    is_forbidden || stop "secret-key: the vault $AZURE_KEY_VAULT_NAME could not be asked for its secrets, so no key was made." \
      "Mend what is said above, $again"
    [ "$try" -lt "${TRIES:-30}" ] || stop \
      "secret-key: the vault $AZURE_KEY_VAULT_NAME does not let this account in, so no key was made." \
      "Give the account that you are signed in with (az login) the role Key Vault Secrets Officer on it, $again"
    try=$((try + 1))
    sleep "${PAUSE:-20}"
  done
}

make_key() {
  head -c 32 /dev/urandom | base64 | tr -d '\n' >"$folder/key"
  [ "$(wc -c <"$folder/key")" -eq 44 ] ||
    stop "secret-key: no random key could be made on this machine (head, base64), so none was stored."
  az keyvault secret set --vault-name "$AZURE_KEY_VAULT_NAME" --name "$SECRET_KEY_NAME" \
    --file "$folder/key" --encoding utf-8 --query id --output tsv >/dev/null
  rm -f "$folder/key"
}

require_the_azure_cli
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
wait_for_the_role
if [ -n "$found" ]; then
  echo "secret-key: the vault has $SECRET_KEY_NAME; it stays as it is."
else
  deleted=$(listed list-deleted)
  [ -z "$deleted" ] || stop \
    "secret-key: $SECRET_KEY_NAME was deleted from the vault $AZURE_KEY_VAULT_NAME; a new key could not compare what is stored." \
    "Recover it: az keyvault secret recover --vault-name $AZURE_KEY_VAULT_NAME --name $SECRET_KEY_NAME"
  make_key
  echo "secret-key: $SECRET_KEY_NAME was made. Keep a copy of it as safe as a backup of the store: docs/deployment.md."
fi
# The app looked for the key when it was made; without this it looks again within a day. Git's bash on Windows would make a
# path of C:\ out of the id: not for this call. (The file above is a path, and has to become one.)
MSYS_NO_PATHCONV=1 az rest --method post --output none \
  --url "$APP_ID/config/configreferences/appsettings/refresh?api-version=2022-03-01"

"""Where the heads of ledgers are anchored. A new place is a new file and a row here."""

from driftguard.adapters.anchors.azure import AzureAnchors
from driftguard.adapters.anchors.folder import FolderAnchors

ANCHORS = {"folder": FolderAnchors, "azure": AzureAnchors}

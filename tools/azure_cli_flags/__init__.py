"""What azure-cli's generated commands say about the properties of Azure resources: an independent witness."""

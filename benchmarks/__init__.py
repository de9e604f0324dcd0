"""What the library costs over boto3, measured. See `README.md` here; nothing of this is part of the package."""

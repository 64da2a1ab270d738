"""What a pod does with a Secret: the real SDKs, configured as their own documents say."""

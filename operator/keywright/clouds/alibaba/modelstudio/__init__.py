"""API keys of Alibaba Cloud Model Studio (Bailian, DashScope)."""

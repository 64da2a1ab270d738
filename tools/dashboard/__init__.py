"""The dashboard for Grafana: its panels, and a picture of them from a real run."""

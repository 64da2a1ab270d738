"""A server with its key in its environment: each request calls a model, with boto3."""

import http.server
import os
from typing import Any

import boto3
from botocore.config import Config

runtime = boto3.client(
    "bedrock-runtime",
    region_name=os.environ["AWS_REGION"],
    config=Config(retries={"total_max_attempts": 1}),
)
QUESTION: Any = [{"role": "user", "content": [{"text": "Is the key good?"}]}]


class Handler(http.server.BaseHTTPRequestHandler):
    """200 where the model has answered, else 502 with what boto3 said."""

    def do_GET(self) -> None:
        """Ask the model."""
        try:
            runtime.converse(modelId="amazon.nova-lite-v1:0", messages=QUESTION)
            status, text = 200, "good"
        except Exception as error:
            status, text = 502, f"{type(error).__name__}: {error}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """The client tells."""


http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()

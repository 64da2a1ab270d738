"""One message of Anthropic's SDK for Bedrock, which reads its address from the environment."""

import os

from anthropic import AnthropicBedrock

# The proxy discards the signature, as gateways do (CLAUDE_CODE_SKIP_BEDROCK_AUTH).
client = AnthropicBedrock(aws_access_key="placeholder", aws_secret_key="placeholder", max_retries=0)
message = client.messages.create(
    model=os.environ["ANTHROPIC_MODEL"],
    max_tokens=100,
    messages=[{"role": "user", "content": "Is the key good?"}],
)
print("".join(block.text for block in message.content if block.type == "text"))

"""`python -m testbed.readers.model_studio_pod`: a prompt on each line, an answer on each line."""

from __future__ import annotations

import argparse
import json
import sys
from http import HTTPStatus
from typing import Any

import dashscope


def main() -> None:
    """Answer until the end of the input; the SDK reads the environment by itself."""
    parser = argparse.ArgumentParser(prog="python -m testbed.readers.model_studio_pod")
    parser.add_argument("--model", required=True)
    model = parser.parse_args().model
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(model, line.rstrip("\n"))) + "\n")
        sys.stdout.flush()


def _answer(model: str, prompt: str) -> dict[str, str]:
    try:
        messages: Any = [{"role": "user", "content": prompt}]
        answer: Any = dashscope.Generation.call(
            model=model, messages=messages, result_format="message"
        )
    except Exception as error:  # any exception of the SDK and its transport
        return {"error": f"{type(error).__name__}: {error}"}
    if answer.status_code != HTTPStatus.OK:
        return {"error": f"{answer.status_code} {answer.code}: {answer.message}"}
    return {"text": str(answer.output.choices[0].message.content)}


if __name__ == "__main__":
    main()

# Two stages: the dependencies are installed, hash by hash, in the first; the second has neither
# compiler nor installer. BASE_IMAGE is any image with python3 of at least 3.11 at /usr.. or /usr/local.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY locks/uv.txt locks/runtime.txt locks/
RUN python3 -m venv /uv \
 && /uv/bin/pip install --no-cache-dir --require-hashes --requirement locks/uv.txt \
 && /uv/bin/uv pip install --system --break-system-packages --target /app \
      --no-cache --require-hashes --compile-bytecode --requirement locks/runtime.txt
COPY operator/keywright /app/keywright
RUN python3 -m compileall -q /app/keywright

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="keywright" \
      org.opencontainers.image.description="Mints cloud credentials and API keys into Secrets and renews them ahead of expiry" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
# Nothing is written at run time: the root file system may be read-only.
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "keywright"]
CMD ["run"]

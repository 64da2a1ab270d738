# `make image` builds it: the folder app of its context is put together before, from the hashed lock,
# for the Python of BASE_IMAGE (3.11 or newer). Nothing here needs a network, a shell or a compiler.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
COPY app /app
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/app"]

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

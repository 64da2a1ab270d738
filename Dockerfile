# `docker build .` needs BuildKit, which is the default builder of Docker 23 and newer.
# `make image` builds the same image without a network in the container: image/build.py replaces the build stages.
# The base is any image with Python 3.11 or newer. Releases pin it by digest.
ARG BASE_IMAGE=python:3.12-slim
# An image with the same Python and with pip, if the base has no pip.
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BASE_IMAGE} AS base

# On the machine's own platform: nothing of the target platform is executed, so that no emulator is needed.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# A certificate authority of your network: --secret id=ca-certificates,src=FILE
RUN --mount=type=cache,id=keywright-build,target=/root/.cache \
    --mount=type=bind,from=base,target=/base \
    --mount=type=secret,id=ca-certificates \
    ["python3", "-m", "image.in_container", "--base", "/base", "--into", "/out/app"]

FROM base
LABEL org.opencontainers.image.title="keywright" \
      org.opencontainers.image.description="Mints cloud credentials and API keys into Secrets and renews them ahead of expiry" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out /
# Nothing is written at run time: the root file system may be read-only.
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "keywright"]
CMD ["run"]

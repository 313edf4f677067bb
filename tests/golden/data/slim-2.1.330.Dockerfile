# Claude Code 2.1.330, variant slim. Rendered by pinnace-build: do not edit.
#
# The stages, from the bottom up:
#   distribution  the pinned base image; `pinnace-build base` can make one where it cannot be pulled
#   base          its packages and the user: changes when the base is refreshed, not with the CLI
#   claude-...    the CLI, copied: nothing is run, so a foreign platform needs no emulation here
FROM debian:trixie-20260101-slim@sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e AS distribution

FROM distribution AS base
# Packages, refreshed 2026-01-01; nothing here depends on the CLI's version. Two secrets may
# be given, and stay out of the image: a CA bundle for https, and the sources of a mirror. At the
# end, all that this step wrote gets the refresh's time, so that the layer can be made again. The
# user's -l is for large ids: a sparse lastlog of one is larger than most disks. The home is open
# to group 0 as well, which is what a platform with uids of its own (OpenShift) runs it as.
# hadolint ignore=DL3008
RUN --mount=type=secret,id=pinnace-ca,target=/dev/shm/ca,mode=0444 \
    --mount=type=secret,id=pinnace-sources,target=/dev/shm/sources,mode=0444 \
    set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    touch /dev/shm/begin; \
    if [ -s /dev/shm/ca ]; then set -- -o Acquire::https::CAInfo=/dev/shm/ca; fi; \
    if [ -s /dev/shm/sources ]; then \
        set -- "$@" -o Dir::Etc::SourceList=/dev/shm/sources -o Dir::Etc::SourceParts=/dev/null; \
    fi; \
    apt-get "$@" update -q; \
    apt-get "$@" install -qy --no-install-recommends \
        bash \
        ca-certificates \
        curl \
        git \
        git-lfs \
        jq \
        less \
        openssh-client \
        procps \
        python3 \
        python3-pip \
        python3-venv \
        ripgrep \
        socat; \
    groupadd --gid 1000 agent; \
    useradd --no-log-init --uid 1000 --gid 1000 --home-dir /home/agent \
        --shell /bin/bash --create-home --skel /nonexistent agent; \
    install --directory --owner=1000 --group=0 --mode=0770 /home/agent /home/agent/.claude; \
    find / -xdev -perm /6000 -type f -exec chmod ug-s {} +; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/debconf/*-old \
        /var/log/* /etc/*- /tmp/*; \
    find / -xdev -writable -newer /dev/shm/begin \
        -exec touch --no-dereference --date=@1767225600 {} +

ENV HOME=/home/agent \
    PATH=/opt/claude/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/agent/.local/bin \
    LANG=C.UTF-8 \
    CLAUDE_CONFIG_DIR=/home/agent/.claude \
    DISABLE_AUTOUPDATER=1 \
    DISABLE_INSTALLATION_CHECKS=1

WORKDIR /home/agent

LABEL org.opencontainers.image.base.name="debian:trixie-20260101-slim" \
      org.opencontainers.image.base.digest="sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e" \
      pinnace.contract="2" \
      pinnace.variant="slim" \
      pinnace.user="1000:1000" \
      devcontainer.metadata="[{\"remoteUser\":\"agent\",\"updateRemoteUserUID\":true}]"

# The CLI, last: a new version changes only this layer. The name carries the content's digest,
# because the build cache compares files by size and time alone.
FROM base AS claude-amd64
LABEL pinnace.claude.sha256="111111111111111111111111111111111111111111111111111111111111111e" \
      pinnace.platform="linux/amd64"
COPY --link claude-111111111111/ /

# The CLI, last: a new version changes only this layer. The name carries the content's digest,
# because the build cache compares files by size and time alone.
FROM base AS claude-arm64
LABEL pinnace.claude.sha256="222222222222222222222222222222222222222222222222222222222222222e" \
      pinnace.platform="linux/arm64"
COPY --link claude-222222222222/ /

# hadolint ignore=DL3006
FROM claude-${TARGETARCH}
LABEL org.opencontainers.image.title="Claude Code with what it needs" \
      org.opencontainers.image.version="2.1.330" \
      org.opencontainers.image.created="2026-02-03T04:05:06+00:00" \
      org.opencontainers.image.licenses="LicenseRef-Anthropic-Commercial-Terms" \
      pinnace.claude.version="2.1.330"

USER 1000:1000
CMD ["claude"]

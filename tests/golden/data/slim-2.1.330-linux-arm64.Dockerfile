# Claude Code 2.1.330, variant slim, linux/arm64. Rendered by pinnace-build: do not edit.
FROM debian@sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e

# Base: from here to the user, nothing depends on the CLI's version.
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update -q; \
    apt-get install -qy --no-install-recommends \
        bash \
        ca-certificates \
        curl \
        git \
        jq \
        less \
        openssh-client \
        procps \
        ripgrep; \
    find / -xdev -perm /6000 -type f -exec chmod ug-s {} +; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

# User: -l, because a sparse lastlog of a large UID is larger than most disks.
RUN set -eu; \
    groupadd --gid 1000 agent; \
    useradd --no-log-init --uid 1000 --gid 1000 --home-dir /home/agent \
        --shell /bin/bash --create-home --skel /nonexistent agent; \
    install --directory --owner=1000 --group=1000 --mode=0700 /home/agent/.claude

ENV HOME=/home/agent \
    PATH=/opt/claude/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    CLAUDE_CONFIG_DIR=/home/agent/.claude \
    DISABLE_AUTOUPDATER=1

# Before the last COPY: it makes a layer.
WORKDIR /home/agent

LABEL org.opencontainers.image.title="Claude Code with what it needs" \
      org.opencontainers.image.version="2.1.330" \
      org.opencontainers.image.base.name="debian:trixie-20260101-slim" \
      org.opencontainers.image.base.digest="sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e" \
      org.opencontainers.image.licenses="LicenseRef-Anthropic-Commercial-Terms" \
      pinnace.contract="1" \
      pinnace.claude.version="2.1.330" \
      pinnace.claude.sha256="c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1" \
      pinnace.variant="slim" \
      pinnace.platform="linux/arm64" \
      pinnace.user="1000:1000" \
      devcontainer.metadata="[{\"remoteUser\":\"agent\",\"updateRemoteUserUID\":true}]" \
      pinnace.build-id="3b795c6f8bb34874b9a69d5dc402278661e2404a776dc7d23eed7a35a4843763"

# The CLI, last: a new version changes only this layer. The name carries the content's digest,
# because the build cache compares files by size and time alone.
COPY --link claude-c1c1c1c1c1c1/ /opt/claude/

USER 1000:1000
CMD ["claude"]

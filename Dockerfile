# codebudget's command line and the bubblewrap sandbox beside it, for a user who is not root. See docs/containers.md.
#
# BASE: a Debian or Ubuntu image, and LOCKS what of requirements/ goes into it: "torch-cpu.txt cpu.txt" on Python 3.11 to
# 3.13, cuda.txt on 3.12.
# A digest names an image's bytes, whatever its tag comes to mean: renew both together, and look at what has changed.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
ARG LOCKS="torch-cpu.txt cpu.txt"
# pip's own settings. What `make wheels` fetched is taken with PIP_NO_INDEX=1 and PIP_FIND_LINKS=/src/wheels.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -c 'import ensurepip, venv' 2>/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv; }
RUN python3 -m venv /opt/codebudget
COPY requirements /src/requirements
# COPY wants at least one file, and there may be no wheels.
COPY LICENSE wheels* /src/wheels/
RUN for lock in $LOCKS; do \
        /opt/codebudget/bin/pip install --no-deps --require-hashes --only-binary :all: -r "/src/requirements/$lock" || exit; \
    done
COPY . /src
RUN /opt/codebudget/bin/pip install --no-deps --no-build-isolation --no-index /src

FROM ${BASE}
# Triton compiles against Python's headers, which bases with a Python of their own have.
RUN python3 -c '' 2>/dev/null && python= || python='python3 python3-dev' \
    && apt-get update && apt-get install -y --no-install-recommends bubblewrap $python && rm -rf /var/lib/apt/lists/* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && useradd --create-home --uid 10001 codebudget \
    && install -d -o codebudget -g codebudget /runs
COPY --from=build /opt/codebudget /opt/codebudget
ENV PATH=/opt/codebudget/bin:$PATH
USER 10001:10001
WORKDIR /runs
ENTRYPOINT ["codebudget"]

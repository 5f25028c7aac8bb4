# NEVER BUILT HERE. A Python and the libraries of BigCodeBench's tasks in the board's own versions: those of its
# Docker/Evaluate.Dockerfile (bigcode-project/bigcodebench at 11c0080) and requirements-eval.txt (bigcodebench.txt).
# The build needs a package index and Debian's mirrors, and some packages are compiled.
ARG BASE=python:3.10-slim
FROM ${BASE}

# pip's own settings, for another index.
ARG PIP_INDEX_URL

RUN python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10) and "the pinned versions are for Python 3.10")'

# Programs call some of these, packages are compiled with others.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        g++ git libfreetype6-dev libgdal-dev libpng-dev pkg-config procps python3-tk r-base unzip zip \
    && rm -rf /var/lib/apt/lists/*

# What is compiled needs numpy first.
COPY bigcodebench.txt /tmp/
RUN python3 -m pip install --no-cache-dir "$(grep '^numpy==' /tmp/bigcodebench.txt)" \
    && python3 -m pip install --no-cache-dir --requirement /tmp/bigcodebench.txt \
    && rm /tmp/bigcodebench.txt

RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# As the board's grader sets them.
ENV TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0
LABEL org.opencontainers.image.title="codebudget sandbox with BigCodeBench's libraries"
USER 65534:65534
WORKDIR /tmp

# A Python and current versions of the libraries that most of BigCodeBench's tasks use. The board's own versions are in
# bigcodebench.Dockerfile; scores with the two are not comparable.
# BASE may be any image with Python 3.11+ and pip in it.
ARG BASE=python:3.12-slim
FROM ${BASE} AS build

# pip's own settings. With PIP_NO_INDEX=1 and PIP_FIND_LINKS=/wheels it takes what lies in wheels/ beside this file; a
# base without pip can have one among the wheels.
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the base image needs Python 3.11 or newer")'
# COPY wants at least one file, and there may be no wheels.
COPY bigcodebench-lean.Dockerfile wheels* /wheels/
RUN PYTHONPATH=$(echo /wheels/pip-*.whl) python3 -m pip install --only-binary :all: --target /opt/libraries \
    numpy pandas scipy scikit-learn matplotlib

FROM ${BASE}
COPY --from=build /opt/libraries /opt/libraries
ENV PYTHONPATH=/opt/libraries
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +
LABEL org.opencontainers.image.title="codebudget sandbox with some of BigCodeBench's libraries"
USER 65534:65534
WORKDIR /tmp

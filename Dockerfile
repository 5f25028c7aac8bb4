# codebudget's command line without a GPU: planning, and grading and ranking of recorded samples.
# BASE is any image with Python 3.11+ and its venv module.
ARG BASE=python:3.12-slim
FROM ${BASE}

COPY . /src
RUN python3 -m venv /opt/codebudget \
    && /opt/codebudget/bin/pip install --no-cache-dir --disable-pip-version-check /src \
    && rm -rf /src \
    && useradd --create-home --uid 10001 codebudget

ENV PATH=/opt/codebudget/bin:$PATH
USER codebudget
WORKDIR /home/codebudget
ENTRYPOINT ["codebudget"]

# The bot in a container: glibc (the CEL library has no musl wheel), non-root, no build tools in the last stage.
#   docker build -t netdiag . && docker run --read-only -v netdiag-state:/state -v ./inventory:/inventory:ro netdiag
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md slack-manifest.yaml ./
COPY bot ./bot
COPY playbooks ./playbooks
RUN pip wheel --no-cache-dir --no-deps -w /wheel . \
 && /venv/bin/pip install --no-cache-dir --no-deps /wheel/netdiag-*.whl \
 && /venv/bin/pip uninstall -y pip

FROM python:3.12-slim
COPY --from=build /venv /venv
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin netdiag \
 && install -d -o netdiag -g netdiag -m 0700 /state
USER 10001
ENV PATH=/venv/bin:$PATH \
    NETDIAG_STATE=/state \
    NETDIAG_INVENTORY=/inventory \
    NETDIAG_LOG_FORMAT=json
VOLUME /state
ENTRYPOINT ["netdiag"]
CMD ["serve"]

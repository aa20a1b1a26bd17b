# Stages, so that what builds stays behind. Every package must have a hash of the lock. WITH=platforms adds the SDKs of ad
# platforms, which `roistream apply` alone needs.
ARG WITH=build

FROM python:3.11.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.runtime.lock ./
RUN python -m venv /opt/roistream \
 && /opt/roistream/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY metrics metrics
COPY streams streams
RUN /opt/roistream/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM build AS platforms
COPY requirements.apply.lock ./
RUN /opt/roistream/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.apply.lock

FROM ${WITH} AS chosen

FROM python:3.11.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /home/roistream roistream
COPY --from=chosen /opt/roistream /opt/roistream
ENV PATH=/opt/roistream/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/roistream
# Compiles the kernels; on another kind of processor the first start does it again, into the same folder.
RUN python -m streams.runtime.kernel_warmup
EXPOSE 6066 6067
ENTRYPOINT ["roistream"]
CMD ["worker"]

# The stage in an image: one binary, the five libraries it needs, and nobody's root.
#
#   docker build -t upshot .
#   docker run --rm upshot demo
#   docker run -d upshot run -X bootstrap.servers=kafka:9092

FROM debian:12-slim AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config librdkafka-dev libcjson-dev libxxhash-dev \
        graphviz libmicrohttpd-dev libcurl4-openssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cmake --preset release -DUPSHOT_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
    && cmake --build --preset release \
    && DESTDIR=/out cmake --install build/release --strip

FROM debian:12-slim
# ca-certificates: brokers behind TLS. All else that librdkafka may ask for is its own dependency.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates libcjson1 libcurl4 libmicrohttpd12 librdkafka1 libxxhash0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin upshot
COPY --from=build /out/ /
# Proves at build time that every library is there, and that the tables in it are sound.
RUN ["upshot", "check"]
USER 10001
WORKDIR /
STOPSIGNAL SIGTERM
ENTRYPOINT ["upshot"]
CMD ["run"]

# pgwatch in a container: docker run -v ./pgwatch.yml:/etc/pgwatch/pgwatch.yml -p 9432:9432 pgwatch
# The state (alerts, undelivered notifications) is in /var/lib/pgwatch: give it a volume.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY pgwatch pgwatch
COPY queries queries
COPY alerts alerts
COPY grafana grafana
RUN python -m venv /opt/pgwatch && /opt/pgwatch/bin/pip install --no-cache-dir .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/pgwatch --create-home pgwatch
COPY --from=build /opt/pgwatch /opt/pgwatch
# Outside a container the default is loopback; here the port is closed unless it is published.
ENV PATH=/opt/pgwatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STATE_DIRECTORY=/var/lib/pgwatch \
    PGWATCH__WEB__LISTEN=0.0.0.0:9432
USER 10001
WORKDIR /var/lib/pgwatch
VOLUME /var/lib/pgwatch
EXPOSE 9432
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-m", "pgwatch.web.healthcheck"]
ENTRYPOINT ["pgwatch"]
CMD ["run"]

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY guardproxy guardproxy
RUN pip install --no-cache-dir --prefix=/install .

FROM python:3.12-slim
COPY --from=build /install /usr/local
RUN useradd --system --create-home --home-dir /var/lib/guardproxy guardproxy
WORKDIR /var/lib/guardproxy
USER guardproxy
# BLAS threads fight each other on small matrices: one is faster
ENV OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/readyz', timeout=2)"]
ENTRYPOINT ["guardproxy"]
CMD ["serve", "--policies", "/etc/guardproxy/policies", "--listen", "0.0.0.0:8080", "--admin", "127.0.0.1:8081"]

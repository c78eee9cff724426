# SPDX-License-Identifier: GPL-2.0-only
"""What runs on a backend: a real nginx and a UDP echo, each of which answers with its own name."""

import os
import pathlib
import subprocess
import sys

from network import SERVICE4, SERVICE6
from wait import wait_until

HTTP_PORTS = (80, 8081)
PROBE_PORT = 8080
TLS_PORT = 443
UDP_PORT = 7000
LIBRARY = pathlib.Path(__file__).parent

NGINX_CONFIG = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 8m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
{listen}
        ssl_certificate {directory}/certificate;
        ssl_certificate_key {directory}/key;
        location = /healthz {{
            if (-f {directory}/sick) {{ return 503 "sick\\n"; }}
            return 200 "healthy\\n";
        }}
        # A proxy answers when it has read all of the request.
        location = /upload {{ proxy_pass http://127.0.0.1:{probe_port}/; }}
        location / {{ return 200 "{name}\\n"; }}
    }}
}}
"""


class Nginx:
    def __init__(self, host, directory):
        self.host = host
        self.directory = directory / f"nginx-{host.name}"
        self.directory.mkdir()
        self.process = None
        self._make_certificate()
        self.start()

    def _make_certificate(self):
        """For "example", signed by itself."""
        self.host.namespace.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=example", "-keyout", self.directory / "key",
            "-out", self.directory / "certificate")

    def _configuration(self):
        listen = "\n".join(f"        listen {where}:{port};"
                           for port in (*HTTP_PORTS, PROBE_PORT) for where in ("*", "[::]"))
        listen += "".join(f"\n        listen {where}:{TLS_PORT} ssl;" for where in ("*", "[::]"))
        return NGINX_CONFIG.format(name=self.host.name, directory=self.directory,
                                   listen=listen, probe_port=PROBE_PORT)

    def start(self):
        config = self.directory / "nginx.conf"
        config.write_text(self._configuration())
        self.process = self.host.namespace.start(
            "nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", config)
        wait_until(self.is_serving, what=f"nginx on {self.host.name}")

    def is_serving(self):
        return self.host.namespace.run("curl", "-sf", "-m", "1", "-o", "/dev/null",
                                       f"http://127.0.0.1:{PROBE_PORT}/healthz",
                                       check=False).returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self, how):
        """SIGSTOP makes a server that accepts and says nothing, SIGCONT ends that."""
        os.kill(self.process.pid, how)

    def set_sick(self, is_sick):
        """A sick server serves, but fails its probe."""
        if is_sick:
            (self.directory / "sick").touch()
        else:
            (self.directory / "sick").unlink()


class UdpEcho:
    """On the services' addresses and on the backend's own, for probes."""

    def __init__(self, host):
        addresses = [SERVICE4, SERVICE6, host.ipv4, host.ipv6]
        self.process = host.namespace.start(
            sys.executable, "-B", LIBRARY / "udp_echo.py", host.name, UDP_PORT, *addresses,
            stdout=subprocess.PIPE)
        assert self.process.stdout.readline(), f"no UDP echo on {host.name}"

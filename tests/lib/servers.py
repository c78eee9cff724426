# SPDX-License-Identifier: GPL-2.0-only
"""What runs on a backend: a real nginx and a UDP echo, each of which answers with its own name."""

import functools
import http.client
import os
import pathlib
import subprocess
import sys

from namespace import shared_directory
from network import SERVICE4, SERVICE6
from wait import wait_until

HTTP_PORTS = (80, 8081, 8082)
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
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location = /healthz {{
            if (-f {directory}/sick) {{ return 503 "sick\\n"; }}
            return 200 "healthy\\n";
        }}
        location = /from {{ return 200 "$remote_addr $server_port\n"; }}
        location = /large {{ alias {directory}/large; }}
        # A proxy answers when it has read all of the request.
        location = /upload {{ proxy_pass http://127.0.0.1:{probe_port}/; }}
        location / {{ return 200 "{name}\\n"; }}
    }}
}}
"""


@functools.cache
def certificate():
    """The paths of a certificate for "example", signed by itself, and of its key."""
    paths = shared_directory() / "certificate", shared_directory() / "key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=example", "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True)
    return paths


class Nginx:
    def __init__(self, host, directory):
        self.host = host
        self.directory = directory / f"nginx-{host.name}"
        self.directory.mkdir()
        self.process = None
        self.start()

    def _configuration(self):
        listen = "\n".join(f"        listen {where}:{port};"
                           for port in (*HTTP_PORTS, PROBE_PORT) for where in ("*", "[::]"))
        listen += "".join(f"\n        listen {where}:{TLS_PORT} ssl;" for where in ("*", "[::]"))
        path, key = certificate()
        return NGINX_CONFIG.format(name=self.host.name, directory=self.directory, certificate=path,
                                   key=key, listen=listen, probe_port=PROBE_PORT)

    def start(self):
        config = self.directory / "nginx.conf"
        config.write_text(self._configuration())
        self.process = self.host.namespace.start(
            "nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", config)
        wait_until(self.is_serving, what=f"nginx on {self.host.name}")

    def is_serving(self):
        with self.host.namespace.inside():
            connection = http.client.HTTPConnection("127.0.0.1", PROBE_PORT, timeout=1)
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

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

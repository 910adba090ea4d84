"""From `repoint rollout undo` to the old release answering HTTP, for both drivers, beside podman by hand."""

import http.client
import statistics
import subprocess
import sys
import time
from pathlib import Path

import peers
from support import oci, podman, repoint

BUSYBOX = Path("/bin/busybox")
# As process 1 a shell ignores SIGTERM unless told otherwise: it would be stopped by its timeout.
SERVE = 'trap "exit 0" TERM; /bin/busybox httpd -f -p 8080 -h /www & wait'


class Front(peers.Nginx):
    """A web server over `current`: what it serves changes with the link, without a reload."""

    name = "front"

    def __init__(self, directory, root):
        super().__init__(directory)
        (self.dir / "root").symlink_to(root)

    def command(self):
        command = super().command()
        config = self.dir / "nginx.conf"
        config.write_text(config.read_text().replace("  open_file_cache max=100;\n", ""))
        return command


def answer(port):
    """What the service says now; None if it does not answer."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        link.request("GET", "/version")
        return link.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        link.close()


def seconds_until(port, version, act, limit=60):
    """Starts `act` and returns the time until `version` answers."""
    started = time.monotonic()
    process = act()
    while answer(port) != version:
        if time.monotonic() - started > limit:
            raise RuntimeError(f"{version} does not answer after {limit} s: {answer(port)}")
        time.sleep(0.001)
    took = time.monotonic() - started
    if process and process.wait(limit) != 0:
        raise RuntimeError(f"exit status {process.returncode}")
    return took


def repoint_undo(server, where):
    return subprocess.Popen([repoint.binary(), "rollout", "undo", where, "--yes", "--no-wait"],
                            env={"REPOINT_SERVER": server.url, "REPOINT_ACTOR": "bench@localhost"},
                            stdout=subprocess.DEVNULL)


def release(server, app, version, artifact):
    oci.push(server, f"{app}/web", version, artifact)
    repoint.run_cli("release", "create", app, "--version", version, "--component", f"web={version}",
                    server=server).ok()


def measure(server, app, port, artifacts, rounds):
    """Deploys 1.0 and 2.0 and undoes 2.0, again and again: medians over the undos."""
    repoint.run_cli("apply", "-f", "-", server=server, input=f"""app: {app}
components:
  web: {{repository: {app}/web}}
environments:
  - name: production
    trial: 30s
    targets:
      - {{name: host, component: web}}
""").ok()
    for version, artifact in artifacts.items():
        release(server, app, version, artifact)
    where, times = f"{app}/production", []

    def deploy(version):
        repoint.run_cli("deploy", where, version, "--wait=60", server=server, timeout=90).ok()
    deploy("1.0")
    for _ in range(rounds):
        deploy("2.0")
        if answer(port) != "2.0":
            raise RuntimeError(f"{app}: 2.0 is deployed, but {answer(port)} answers")
        times.append(seconds_until(port, "1.0", lambda: repoint_undo(server, where)))
        repoint.wait_for(lambda: server.api("GET", f"/apps/{app}/environments/production/status")["converged"],
                         30, "the end of the undo")
        # What was rolled back from is held, as it should be.
        repoint.run_cli("release", "unhold", where, "2.0", "--because", "once more", server=server).ok()
    return times


def agent_config(server, work, app, driver, options):
    return {"agent": "bench", "server": server.url, "state": str(work / f"{app}-agent"),
            "targets": [{"app": app, "environment": "production", "target": "host", "driver": driver,
                         "options": options}]}


def dir_driver(server, work, rounds):
    root = work / "srv"
    root.mkdir()
    front = Front(work, root / "current" / "www")
    versions = {v: oci.make_artifact([{"www/version": f"{v}\n", "www/data": bytes(1 << 20)}])
                for v in ("1.0", "2.0")}
    agent = repoint.Agent(agent_config(server, work, "files", "dir", {"root": str(root)}), work / "files")
    try:
        front.start()
        agent.start()
        return measure(server, "files", front.port, versions, rounds)
    finally:
        agent.stop()
        front.stop()


def images():
    files = {"bin/busybox": (BUSYBOX.read_bytes(), 0o755)}
    return {v: oci.make_image([files, {"www/version": f"{v}\n"}], cmd=["/bin/busybox", "sh", "-c", SERVE])
            for v in ("1.0", "2.0")}


def container_driver(server, work, engine, rounds):
    port = repoint.free_port()
    options = {"socket": engine.socket, "ports": [f"127.0.0.1:{port}:8080"],
               "probe": {"http": f"http://127.0.0.1:{port}/version", "timeout": "2s", "expect": 200}}
    agent = repoint.Agent(agent_config(server, work, "web", "container", options), work / "web")
    try:
        agent.start()
        return measure(server, "web", port, images(), rounds)
    finally:
        agent.stop()


def by_hand(server, engine, rounds):
    """(stop and start, stop and run) of containers whose images are on the host already."""
    port, names = repoint.free_port(), {}
    for version, image in images().items():
        oci.push(server, "hand/web", version, image)
        names[version] = f"{server.address}/hand/web@{image.digest}"
        engine.run("pull", "-q", names[version])
    publish = ["-p", f"127.0.0.1:{port}:8080"]

    def podman_sh(text):
        engine_command = " ".join(engine.command)
        return subprocess.Popen(["sh", "-ec", text.replace("podman", engine_command)], env=engine.env,
                                stdout=subprocess.DEVNULL)
    restarted, rerun = [], []
    for version, name in names.items():
        engine.run("create", "--name", f"hand-{version}", *publish, name)
    for _ in range(rounds):
        for times, back in ((restarted, "podman start hand-1.0"),
                            (rerun, f"podman run -d --name again {' '.join(publish)} {names['1.0']}")):
            engine.run("start", "hand-2.0")
            repoint.wait_for(lambda: answer(port) == "2.0", 30, "2.0 by hand")
            times.append(seconds_until(port, "1.0", lambda b=back: podman_sh(f"podman stop hand-2.0; {b}")))
            engine.run("rm", "-f", "-t", "5", "again", check=False)
            engine.run("stop", "-t", "5", "hand-1.0", check=False)
    return restarted, rerun


def compare(work, rounds):
    work.mkdir(parents=True)
    server = repoint.Server(work / "data").start()
    rows = []
    try:
        print("undo, dir driver …", file=sys.stderr, flush=True)
        rows.append(("repoint, dir driver", dir_driver(server, work, rounds)))
        works, why = podman.available()
        if works:
            with podman.Podman(insecure=[server.address]) as engine:
                print("undo, container driver …", file=sys.stderr, flush=True)
                rows.append(("repoint, container driver", container_driver(server, work, engine, rounds)))
                restarted, rerun = by_hand(server, engine, rounds)
                rows += [("by hand: podman stop; podman start", restarted),
                         ("by hand: podman stop; podman run", rerun)]
    finally:
        server.stop()
    print("\n| from the command to the old release answering HTTP | median, s | fastest | slowest |")
    print("|---|---|---|---|")
    for name, times in rows:
        print(f"| {name} | {statistics.median(times):.3f} | {min(times):.3f} | {max(times):.3f} |")
    if not works:
        print(f"\nThe container driver was not measured: {why}")
    print("\nBy hand there is no plan, no check that the old bytes are still right, no record and no probe.")

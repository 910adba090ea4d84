"""Where the shop of the demo runs: real containers, or a directory and a server process beside it."""
import json
import os
import stat

import shop
import story
from world import TOP, free_port, podman


def engine_or_why_not(world):
    """(started engine, None), or (None, the reason)."""
    if os.environ.get("DEMO_TARGETS") == "dir":
        return None, "DEMO_TARGETS=dir asks for directories"
    works, why = podman.available()
    if not works:
        return None, why
    engine = podman.Podman()
    world.cleanups.append(engine.close)
    return engine, None


class Targets:
    builder = None

    def __init__(self, world):
        self.world = world
        self.ports = {"staging": free_port(), "production": free_port()}
        self.production = f"http://127.0.0.1:{self.ports['production']}"

    def options(self, environment):
        raise NotImplementedError

    def start_agents(self):
        for environment in self.ports:
            config = self.world.path(f"agent-{environment}.yaml")
            with open(config, "w") as file:
                json.dump({"agent": f"{environment}-host", "server": self.world.server,
                           "state": self.world.path(f"agent-{environment}"),
                           "targets": [{"app": "shop", "environment": environment,
                                        "target": "web-1", "driver": self.driver,
                                        "options": self.options(environment)}]}, file, indent=2)
            story.command(["repoint", "agent", "-c", os.path.basename(config)])
            self.world.start(f"agent-{environment}",
                             [self.world.binary, "agent", "-c", config])

    def probe(self, environment):
        return {"http": f"http://127.0.0.1:{self.ports[environment]}/healthz", "timeout": "2s"}

    def say_how_to_look_around(self):
        stop = self.write_stop()
        story.chapter(7, "Left running (KEEP=1)")
        story.say(f"export REPOINT_SERVER={self.world.server}\n"
                  f"curl {self.production}/        # what production answers\n"
                  f"{self.world.binary} rollout history shop/production\n"
                  f"logs and data: {self.world.dir}\n"
                  f"sh {stop}        # stops all of it and removes it")

    def write_stop(self):
        path = self.world.path("stop")
        with open(path, "w") as file:
            file.write("#!/bin/sh\n# Stops what the demo left running, and removes it.\n")
            file.write("kill " + " ".join(str(p.pid) for _, p in self.world.processes) + "\n")
            file.write("\n".join([*self.stop_commands(), f"chmod -R u+w {self.world.dir}",
                                  f"rm -rf {self.world.dir}"]) + "\n")
        return path

    def stop_commands(self):
        return []


class ContainerTargets(Targets):
    driver = "container"
    what = "real containers, run by podman and followed through the Docker Engine API"
    builder = os.path.join(TOP, "demo", "build-image")

    def __init__(self, world, engine):
        super().__init__(world)
        self.engine = engine

    def start_agents(self):
        self.engine.trust([self.world.registry])
        self.engine.start()
        self.world.env.update({key: value for key, value in self.engine.env.items()
                               if key.startswith("CONTAINERS_")})
        self.world.env["DEMO_STORAGE"] = self.world.path("buildah")
        super().start_agents()

    def options(self, environment):
        return {"socket": self.engine.socket, "stop_timeout": "1s",
                "ports": [f"127.0.0.1:{self.ports[environment]}:{shop.PORT}"],
                "probe": self.probe(environment)}

    def running_digest(self):
        """What the engine says it runs, not what repoint says."""
        rows = self.engine.run("ps", "--format", "{{.ImageID}} {{.Ports}}").stdout.splitlines()
        image = next(r.split()[0] for r in rows if f":{self.ports['production']}->" in r)
        digests = json.loads(self.engine.run("image", "inspect", image).stdout)[0]["RepoDigests"]
        return digests[0].split("@")[1]

    def stop_commands(self):
        engine = self.engine
        settings = " ".join(f"{key}={value}" for key, value in engine.env.items()
                            if key.startswith("CONTAINERS_"))
        return [f"env {settings} {' '.join(engine.command)} rm --all --force --time 0 >/dev/null",
                f"kill {engine.process.pid}",
                f"grep -o '{engine.dir}/[^ ]*' /proc/self/mounts | sort -r | xargs -r umount -l",
                f"ip link delete {engine.bridge} 2>/dev/null",
                f"rm -rf {engine.dir}"]


class DirTargets(Targets):
    driver = "dir"
    builder = os.path.join(TOP, "demo", "build-artifact")

    def __init__(self, world, why_not):
        super().__init__(world)
        self.what = ("directories with a real server process, because containers cannot run here: "
                     + why_not)

    def options(self, environment):
        root = self.world.path(f"srv-{environment}")
        restart = self.world.path(f"restart-{environment}")
        with open(restart, "w") as file:
            file.write(f"#!/bin/sh\n[ -f {root}.pid ] && kill $(cat {root}.pid) 2>/dev/null\n"
                       f"while [ -e /proc/$(cat {root}.pid 2>/dev/null)/exe ]; "
                       "do sleep 0.02; done\n"
                       f"PORT={self.ports[environment]} setsid {root}/current/start "
                       f">/dev/null 2>&1 </dev/null &\necho $! > {root}.pid\n")
        os.chmod(restart, stat.S_IRWXU)
        self.world.cleanups.append(lambda: os.system(f"kill $(cat {root}.pid) 2>/dev/null"))
        return {"root": root, "reload": [restart], "probe": self.probe(environment)}

    def running_digest(self):
        """By the directory that the link leads to, not by what repoint says."""
        link = os.path.realpath(self.world.path("srv-production", "current"))
        return os.path.basename(link).replace("-", ":", 1)

    def stop_commands(self):
        return [f"kill $(cat {self.world.path('srv-*.pid')}) 2>/dev/null"]

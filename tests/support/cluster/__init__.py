"""A cluster of one machine: runs rendered Kubernetes manifests as local processes, in namespaces instead of containers.

with Cluster() as cluster:
    cluster.apply(helm_template_output)
    cluster.wait_ready("deploy/web")
    url = "http://" + cluster.forward("svc/web", 8080)

Real: the processes with their args, environment, mounts, users and root file systems, pod addresses, DNS, Services,
probes, hooks, restarts, rolling updates. Not here: the containers' own files (each image is mapped to a program of this
machine), limits of memory and CPU, network policies, schedulers, autoscalers.
"""

"""The one door to Ray: start or attach, make host processes, find them, speak to them, see them end, start Ray anew.

Ray places, names and watches. It never restarts and never repeats a call: both are ours to decide.
Import this only after `actors.ray_environment` has been applied.
"""

from actors.cluster.connection import Cluster
from actors.cluster.hosts import RayHosts, RayLink
from actors.cluster.process import NAMESPACE, RayHost, find_account

__all__ = ["NAMESPACE", "Cluster", "RayHost", "RayHosts", "RayLink", "find_account"]

"""One file of code for each dashboard, and beside it the JSON that it makes."""

from grafana.board import Board
from grafana.dashboards.account import ACCOUNT
from grafana.dashboards.fleet import FLEET
from grafana.dashboards.group import GROUP
from grafana.dashboards.host import HOST

BOARDS: dict[str, Board] = {"fleet": FLEET, "group": GROUP, "account": ACCOUNT, "host": HOST}
"""Name of the file in grafana/dashboards/ without its ending → the dashboard."""

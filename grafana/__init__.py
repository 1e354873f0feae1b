"""What Prometheus and Grafana are told: rules, dashboards, and the page that explains every metric. Made by code."""

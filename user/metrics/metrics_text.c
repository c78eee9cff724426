/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>

#include "metrics/metrics.h"

static const char *const event_labels[] = {
#define X(name, label, text) label,
	LEAT_EVENTS(X)
#undef X
};

static const char *const reason_labels[] = {
#define X(name, verdict, label, text) label,
	LEAT_REASONS(X)
#undef X
};

/* Starts a family; all of its samples follow before the next one starts. */
static void write_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name="value", with the three characters escaped that the format gives a meaning to. */
static void write_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

/* Up to where the labels end, without the brace, so that more can follow. */
static void write_backend_labels(FILE *out, const char *name, const struct backend *backend)
{
	fprintf(out, "%s{", name);
	write_label(out, "service", backend->service->config.name);
	fputc(',', out);
	write_label(out, "backend", backend->config.name);
}

static void write_labelled(FILE *out, const char *name, const char *label, const char *value,
			   uint64_t number)
{
	fprintf(out, "%s{", name);
	write_label(out, label, value);
	fprintf(out, "} %" PRIu64 "\n", number);
}

static void write_gauge(FILE *out, const char *name, const char *help, uint64_t number)
{
	write_family(out, name, "gauge", help);
	fprintf(out, "%s %" PRIu64 "\n", name, number);
}

/* Only reasons that there were: every service has some of them, and all would be too many. */
static void write_refusals(FILE *out, const struct service *service)
{
	for (size_t reason = 0; reason < LEAT_REASON_COUNT; reason++) {
		if (!service->refusals.packets[reason])
			continue;
		fputs("leat_service_refused_packets_total{", out);
		write_label(out, "service", service->config.name);
		fputc(',', out);
		write_label(out, "reason", reason_labels[reason]);
		fprintf(out, "} %" PRIu64 "\n", (uint64_t)service->refusals.packets[reason]);
	}
}

static void write_services(FILE *out, const struct node *node)
{
	static const char packets[] = "leat_service_packets_total";
	static const char bytes[] = "leat_service_bytes_total";
	static const char open_slots[] = "leat_service_open_slots";

	write_family(out, packets, "counter", "Packets for the service.");
	for (size_t i = 0; i < node->service_count; i++)
		write_labelled(out, packets, "service", node->services[i]->config.name,
			       node->services[i]->counter.packets);
	write_family(out, bytes, "counter", "Bytes of frames for the service, as they came in.");
	for (size_t i = 0; i < node->service_count; i++)
		write_labelled(out, bytes, "service", node->services[i]->config.name,
			       node->services[i]->counter.bytes);
	write_family(out, "leat_service_refused_packets_total", "counter",
		     "Packets for the service that were not forwarded.");
	for (size_t i = 0; i < node->service_count; i++)
		write_refusals(out, node->services[i]);
	write_family(out, open_slots, "gauge",
		     "Slots of the service's table that a change opened.");
	for (size_t i = 0; i < node->service_count; i++)
		write_labelled(out, open_slots, "service", node->services[i]->config.name,
			       node->services[i]->open_slots);
}

/* A new backend may have the name of one that is leaving; two samples with the same labels would spoil
 * the whole page. */
static bool has_its_labels(const struct backend *backend)
{
	return !backend->is_leaving ||
	       service_find_backend(backend->service, backend->config.name) == backend;
}

/* Writes all samples of one family that belong to one backend. */
typedef void (*backend_writer)(FILE *out, const char *name, const struct backend *backend);

static void write_backends(FILE *out, const struct node *node, const char *name, const char *type,
			   const char *help, backend_writer write)
{
	write_family(out, name, type, help);
	for (size_t i = 0; i < node->service_count; i++) {
		const struct service *service = node->services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			if (has_its_labels(service->backends[j]))
				write(out, name, service->backends[j]);
		}
	}
}

static void write_backend_number(FILE *out, const char *name, const struct backend *backend,
				 uint64_t number)
{
	write_backend_labels(out, name, backend);
	fprintf(out, "} %" PRIu64 "\n", number);
}

static void write_packets(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_number(out, name, backend, backend->counter.packets);
}

static void write_bytes(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_number(out, name, backend, backend->counter.bytes);
}

static void write_up(FILE *out, const char *name, const struct backend *backend)
{
	bool is_up = !backend->has_probe || health_is_up(&backend->health);

	write_backend_number(out, name, backend, is_up);
}

static void write_weight(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_number(out, name, backend, backend_wanted_weight(backend));
}

/* A number that leaves flows out would be taken for all of them. */
static void write_flows(FILE *out, const char *name, const struct backend *backend)
{
	if (backend->flows.is_counted)
		write_backend_number(out, name, backend, backend->flows.live);
}

static void write_closing_flows(FILE *out, const char *name, const struct backend *backend)
{
	if (backend->flows.is_counted)
		write_backend_number(out, name, backend, backend->flows.closing);
}

static void write_drained(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_number(out, name, backend, backend_is_drained(backend));
}

static void write_leaving(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_number(out, name, backend, backend->is_leaving);
}

static void write_ramp(FILE *out, const char *name, const struct backend *backend)
{
	write_backend_labels(out, name, backend);
	fprintf(out, "} %g\n", backend->ramp_percent / 100.0);
}

static void write_states(FILE *out, const char *name, const struct backend *backend)
{
	for (unsigned int state = 0; state < BACKEND_STATE_COUNT; state++) {
		write_backend_labels(out, name, backend);
		fputc(',', out);
		write_label(out, "state", backend_state_name((enum backend_state)state));
		fprintf(out, "} %d\n", backend->state == state);
	}
}

/* Buckets are cumulative in the format and not in the node. */
static void write_probe_durations(FILE *out, const char *name, const struct backend *backend)
{
	const struct probe_stats *stats = &backend->probe_stats;
	uint64_t count = 0;
	char series[64];

	if (!backend->has_probe)
		return;
	snprintf(series, sizeof(series), "%s_bucket", name);
	for (size_t i = 0; i < PROBE_BUCKETS; i++) {
		count += stats->buckets[i];
		write_backend_labels(out, series, backend);
		if (i < PROBE_BUCKETS - 1)
			fprintf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)probe_bucket_us[i] / 1e6,
				count);
		else
			fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", count);
	}
	snprintf(series, sizeof(series), "%s_sum", name);
	write_backend_labels(out, series, backend);
	fprintf(out, "} %" PRIu64 ".%06" PRIu64 "\n", stats->sum_us / 1000000,
		stats->sum_us % 1000000);
	snprintf(series, sizeof(series), "%s_count", name);
	write_backend_number(out, series, backend, count);
}

static void write_probe_failures(FILE *out, const char *name, const struct backend *backend)
{
	if (!backend->has_probe)
		return;
	for (unsigned int layer = PROBE_LAYER_NONE + 1; layer < PROBE_LAYER_COUNT; layer++) {
		write_backend_labels(out, name, backend);
		fputc(',', out);
		write_label(out, "layer", probe_layer_name((enum probe_layer)layer));
		fprintf(out, "} %" PRIu64 "\n", backend->probe_stats.failures[layer]);
	}
}

static void write_all_backends(FILE *out, const struct node *node)
{
	write_backends(out, node, "leat_backend_packets_total", "counter",
		       "Packets sent to the backend.", write_packets);
	write_backends(out, node, "leat_backend_bytes_total", "counter",
		       "Bytes of frames sent to the backend, as they came in.", write_bytes);
	write_backends(out, node, "leat_backend_up", "gauge",
		       "Whether the backend's probe, if it has one, finds it up.", write_up);
	write_backends(out, node, "leat_backend_state", "gauge",
		       "1 for the state that the backend is in.", write_states);
	write_backends(out, node, "leat_backend_weight", "gauge",
		       "The operator's weight, or else the configured one.", write_weight);
	write_backends(out, node, "leat_backend_ramp_ratio", "gauge",
		       "The part of its weight that a backend has, which starts slowly; else 1.",
		       write_ramp);
	write_backends(
		out, node, "leat_backend_flows", "gauge",
		"Live flows on the backend, where all of them are counted: under a scheduler "
		"that remembers flows, and while it drains.",
		write_flows);
	write_backends(out, node, "leat_backend_closing_flows", "gauge",
		       "Flows on the backend that have sent FIN or RST, where flows are counted.",
		       write_closing_flows);
	write_backends(out, node, "leat_backend_drained", "gauge",
		       "Whether the backend takes no new flows and has none left.", write_drained);
	write_backends(out, node, "leat_backend_leaving", "gauge",
		       "Whether the backend is no longer configured and here until its flows end.",
		       write_leaving);
	write_backends(out, node, "leat_probe_duration_seconds", "histogram",
		       "How long probes of the backend took.", write_probe_durations);
	write_backends(out, node, "leat_probe_failures_total", "counter",
		       "Failed probes by the layer that failed.", write_probe_failures);
}

static void write_reasons(FILE *out, const struct node *node)
{
	static const char packets[] = "leat_packets_total";
	static const char bytes[] = "leat_bytes_total";

	write_family(out, packets, "counter", "Packets by what became of them.");
	for (size_t i = 0; i < LEAT_REASON_COUNT; i++)
		write_labelled(out, packets, "reason", reason_labels[i], node->reasons[i].packets);
	write_family(out, bytes, "counter", "Bytes of frames by what became of them.");
	for (size_t i = 0; i < LEAT_REASON_COUNT; i++)
		write_labelled(out, bytes, "reason", reason_labels[i], node->reasons[i].bytes);
}

static void write_maps(FILE *out, const struct node *node)
{
	static const char entries[] = "leat_map_entries";
	static const char capacity[] = "leat_map_capacity";

	write_family(out, entries, "gauge", "Entries in use in a map of the datapath.");
	for (size_t i = 0; i < node->map_count; i++)
		write_labelled(out, entries, "map", node->maps[i].name, node->maps[i].entries);
	write_family(out, capacity, "gauge", "Entries that the map has room for.");
	for (size_t i = 0; i < node->map_count; i++)
		write_labelled(out, capacity, "map", node->maps[i].name, node->maps[i].capacity);
}

static void write_flow_memory(FILE *out, const struct flow_memory *memory)
{
	static const char events[] = "leat_flow_events_total";

	write_gauge(out, "leat_flows_remembered", "Live flows that the datapath remembers.",
		    memory->remembered);
	write_gauge(out, "leat_flows_capacity", "Flows that there is room for.", memory->capacity);
	write_gauge(out, "leat_flows_old",
		    "Remembered flows that are older than the change of their slot.", memory->old);
	write_gauge(out, "leat_flows_half_open", "Flows of which one packet was seen so far.",
		    memory->half_open);
	write_gauge(out, "leat_flows_half_open_capacity",
		    "Flows of one packet that there is room for.", memory->half_open_capacity);
	write_gauge(out, "leat_sticky_clients", "Clients whose backend is remembered.",
		    memory->clients);
	write_gauge(out, "leat_sticky_clients_capacity", "Clients that there is room for.",
		    memory->client_capacity);
	write_family(out, events, "counter", "What happened to the memory of flows.");
	for (size_t i = 0; i < LEAT_EVENT_COUNT; i++)
		write_labelled(out, events, "event", event_labels[i], memory->events[i]);
}

static void write_version(FILE *out, const struct config_versions *versions)
{
	const struct config_version *running = config_versions_running(versions);

	write_gauge(out, "leat_config_version",
		    "Number of the version of the configuration that runs.",
		    running ? running->number : 0);
	write_gauge(out, "leat_config_last_change_timestamp_seconds",
		    "When that began to run, in UNIX time.", running ? running->time_s : 0);
	write_gauge(out, "leat_config_trial",
		    "Whether it goes back to an earlier one unless somebody confirms it.",
		    versions->trial.is_on);
}

static void write_daemon(FILE *out, const struct node *node)
{
	write_gauge(out, "leat_config_last_reload_success",
		    "Whether the last reload of the configuration succeeded.",
		    node->reload_succeeded);
	write_gauge(out, "leat_config_last_reload_success_timestamp_seconds",
		    "When the configuration was last loaded with success, in UNIX time.",
		    node->reload_s);
	write_version(out, &node->versions);
	write_gauge(out, "leat_start_time_seconds", "When the daemon started, in UNIX time.",
		    node->started_s);
	write_family(out, "leat_build_info", "gauge", "What runs, in its labels.");
	fprintf(out, "leat_build_info{version=\"%s\",layout=\"%d\"} 1\n", LEAT_VERSION,
		LEAT_LAYOUT);
}

void metrics_write(FILE *out, const struct node *node)
{
	write_services(out, node);
	write_all_backends(out, node);
	write_reasons(out, node);
	write_maps(out, node);
	write_flow_memory(out, &node->flow_memory);
	write_daemon(out, node);
}

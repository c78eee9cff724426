/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <string.h>

#include "tools/leat/cli.h"
#include "tools/leat/story.h"

#define TITLE_WIDTH  10
#define BYTES_SHOWN  96
#define BYTES_A_LINE 16

static void title(const char *name)
{
	cli_print_coloured(CLI_BOLD, "%-*s", TITLE_WIDTH, name);
	fputc(' ', cli_out());
}

/* "192.0.2.1:80", "[2001:db8::1]:80", or without a port "192.0.2.1". */
static void print_endpoint(const json_t *object, const char *address_key, const char *port_key)
{
	const char *address = reply_text(object, address_key);
	uint64_t port = reply_count(object, port_key);
	bool is_ipv6 = strchr(address, ':') != NULL;

	if (!port) {
		fputs(address, cli_out());
		return;
	}
	fprintf(cli_out(), is_ipv6 ? "[%s]:%" PRIu64 : "%s:%" PRIu64, address, port);
}

static const json_t *find_layer(const json_t *packet, const char *name)
{
	const json_t *layer;
	size_t i;

	json_array_foreach(json_object_get(packet, "layers"), i, layer) {
		if (strcmp(reply_text(layer, "layer"), name) == 0)
			return layer;
	}
	return NULL;
}

static const char *shape_text(const char *shape)
{
	static const struct {
		const char *shape, *text;
	} texts[] = {
		{ "first_fragment", "first fragment, " },
		{ "short_first_fragment", "short first fragment, " },
		{ "later_fragment", "fragment behind the first one, " },
		{ "ping", "ping, " },
		{ "icmp_error", "quoted by an ICMP error, " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strcmp(texts[i].shape, shape) == 0)
			return texts[i].text;
	}
	return "";
}

static void print_packet(const json_t *story)
{
	const json_t *flow = json_object_get(story, "flow");
	const json_t *packet = json_object_get(story, "packet"), *tcp = find_layer(packet, "tcp");

	title("packet");
	if (json_is_object(flow)) {
		const json_t *protocol = json_object_get(flow, "protocol");

		if (json_is_integer(protocol))
			fprintf(cli_out(), "protocol %" PRIu64 " ", reply_count(flow, "protocol"));
		else
			fprintf(cli_out(), "%s ", json_string_value(protocol));
		print_endpoint(flow, "source", "source_port");
		fputs(" > ", cli_out());
		print_endpoint(flow, "destination", "destination_port");
		if (tcp)
			fprintf(cli_out(), " [%s]", reply_text(tcp, "flags"));
		fprintf(cli_out(), ", %s", shape_text(reply_text(flow, "shape")));
	} else {
		fputs("not parsed, ", cli_out());
	}
	fprintf(cli_out(), "%" PRIu64 " bytes, in on %s\n", reply_count(packet, "size"),
		reply_text(story, "interface"));
}

static void print_service_words(const json_t *service)
{
	bool has_name = json_is_string(json_object_get(service, "name"));

	if (has_name)
		fprintf(cli_out(), "%s, ", reply_text(service, "name"));
	print_endpoint(service, "address", "port");
	fprintf(cli_out(), "%s/%s, %s", reply_count(service, "port") ? "" : ":any",
		reply_text(service, "protocol"), reply_text(service, "scheduler"));
}

static void print_service(const json_t *story)
{
	const json_t *service = json_object_get(story, "service");
	const json_t *nearest = json_object_get(story, "nearest");

	if (!json_is_object(json_object_get(story, "flow")))
		return;
	title("service");
	if (json_is_object(service)) {
		print_service_words(service);
		fputc('\n', cli_out());
		return;
	}
	fputs("none\n", cli_out());
	if (!json_is_object(nearest))
		return;
	title("nearest");
	print_service_words(nearest);
	fprintf(cli_out(), ": differs in its %s\n", reply_text(nearest, "differs"));
}

static void print_access(const json_t *story)
{
	const json_t *access = json_object_get(story, "access");
	const char *decision = reply_text(access, "decision");
	const char *list = strcmp(reply_text(access, "list"), "node") == 0 ? "the node's"
									   : "the service's";

	if (!json_is_object(access))
		return;
	title("access");
	if (!json_is_string(json_object_get(access, "prefix")))
		fprintf(cli_out(), "%s: no prefix of %s list has it\n",
			strcmp(decision, "not_allowed") == 0 ? "not allowed" : decision, list);
	else
		fprintf(cli_out(), "%s by %s in %s list\n", decision, reply_text(access, "prefix"),
			list);
}

static void print_rate(const json_t *story)
{
	const json_t *rate = json_object_get(story, "rate");

	if (!json_is_object(rate))
		return;
	title("rate");
	fprintf(cli_out(), "%s: %.4g new flows a second and source, %" PRIu64 " at once\n",
		reply_flag(rate, "admitted") ? "within" : "above", reply_number(rate, "new"),
		reply_count(rate, "burst"));
}

static void print_slot(const json_t *story)
{
	const json_t *slot = json_object_get(story, "slot");
	bool is_open = reply_flag(slot, "open");

	if (!json_is_object(slot))
		return;
	title("slot");
	fprintf(cli_out(), "%" PRIu64 " of %" PRIu64 ", %s: %s%s", reply_count(slot, "index"),
		reply_count(slot, "of"), is_open ? "open" : "closed", is_open ? "current " : "",
		reply_text(slot, "current"));
	if (is_open)
		fprintf(cli_out(), ", previous %s", reply_text(slot, "previous"));
	fputc('\n', cli_out());
}

static void print_choice(const json_t *story)
{
	const json_t *choice = json_object_get(story, "choice");

	if (!json_is_object(choice))
		return;
	title("choice");
	fprintf(cli_out(), "%s\n", reply_text(choice, "text"));
}

/* What a packet like this would have left behind. */
static void print_noted(const json_t *story)
{
	const json_t *list = json_object_get(story, "noted"), *name;
	const char *separator = "in ";
	size_t i;

	if (!json_is_object(json_object_get(story, "choice")))
		return;
	title("notes");
	if (json_array_size(list) == 0)
		fputs("nothing new about its flow", cli_out());
	json_array_foreach(list, i, name) {
		fprintf(cli_out(), "%s%s", separator, json_string_value(name));
		separator = ", ";
	}
	fputc('\n', cli_out());
}

static enum cli_colour state_colour(const char *state)
{
	if (strcmp(state, "up") == 0)
		return CLI_GREEN;
	return strcmp(state, "down") == 0 ? CLI_RED : CLI_YELLOW;
}

static void print_backend(const json_t *story)
{
	const json_t *backend = json_object_get(story, "backend");
	const char *name = reply_text(backend, "name"), *address = reply_text(backend, "address");
	const char *state = reply_text(backend, "state"), *reason = reply_text(backend, "reason");

	if (!json_is_object(backend))
		return;
	title("backend");
	if (strcmp(name, address) != 0)
		fprintf(cli_out(), "%s, ", name);
	fprintf(cli_out(), "%s, ", address);
	cli_print_coloured(state_colour(state), "%s", state);
	fprintf(cli_out(), "%s%s\n", *reason ? ": " : "", reason);
}

static void print_next_hop(const json_t *story)
{
	const json_t *hop = json_object_get(story, "next_hop");
	const json_t *forward = json_object_get(story, "forward");

	if (!json_is_object(forward))
		return;
	title("next hop");
	if (!json_is_object(hop)) {
		fputs("none is known\n", cli_out());
		return;
	}
	fprintf(cli_out(), "%s on %s", reply_text(hop, "mac"),
		json_is_string(json_object_get(hop, "interface")) ? reply_text(hop, "interface")
								  : reply_text(story, "interface"));
	if (reply_count(hop, "vlan"))
		fprintf(cli_out(), ", VLAN %" PRIu64, reply_count(hop, "vlan"));
	if (reply_count(hop, "mtu"))
		fprintf(cli_out(), ", MTU %" PRIu64, reply_count(hop, "mtu"));
	fputc('\n', cli_out());
	title("forward");
	fprintf(cli_out(), "%s", reply_text(forward, "mode"));
	if (reply_count(forward, "outer_size"))
		fprintf(cli_out(), ", %" PRIu64 " bytes of outer headers",
			reply_count(forward, "outer_size"));
	fputc('\n', cli_out());
}

/* "ipv4 172.16.0.1 > 198.51.100.11, tcp 1024 > 80 [S]" */
static void print_layer(const json_t *layer)
{
	const char *name = reply_text(layer, "layer");

	fputs(name, cli_out());
	if (json_object_get(layer, "source"))
		fprintf(cli_out(), " %s > %s", reply_text(layer, "source"),
			reply_text(layer, "destination"));
	if (json_object_get(layer, "source_port"))
		fprintf(cli_out(), " %" PRIu64 " > %" PRIu64, reply_count(layer, "source_port"),
			reply_count(layer, "destination_port"));
	if (json_object_get(layer, "flags"))
		fprintf(cli_out(), " [%s]", reply_text(layer, "flags"));
	if (json_object_get(layer, "id"))
		fprintf(cli_out(), " %" PRIu64, reply_count(layer, "id"));
	if (json_object_get(layer, "type"))
		fprintf(cli_out(), " type %" PRIu64 " code %" PRIu64, reply_count(layer, "type"),
			reply_count(layer, "code"));
}

/* The first bytes, as two digits each. */
static void print_bytes(const char *digits)
{
	size_t size = MIN(strlen(digits) / 2, (size_t)BYTES_SHOWN);

	for (size_t at = 0; at < size; at++) {
		if (at % BYTES_A_LINE == 0)
			fprintf(cli_out(), "%*s ", TITLE_WIDTH, "");
		fprintf(cli_out(), "%.2s%s", &digits[2 * at],
			at % BYTES_A_LINE == BYTES_A_LINE - 1 || at == size - 1 ? "\n" : " ");
	}
}

static void print_out(const json_t *story)
{
	const json_t *out = json_object_get(story, "out"), *layer;
	const char *verdict = reply_text(story, "verdict");
	size_t i;

	if (!json_is_object(out) || strcmp(verdict, "pass") == 0)
		return;
	title("leaves");
	fprintf(cli_out(), "%" PRIu64 " bytes\n", reply_count(out, "size"));
	json_array_foreach(json_object_get(out, "layers"), i, layer) {
		fprintf(cli_out(), "%*s ", TITLE_WIDTH, "");
		print_layer(layer);
		fputc('\n', cli_out());
	}
	print_bytes(reply_text(out, "bytes"));
}

static enum cli_colour verdict_colour(const char *verdict)
{
	if (strcmp(verdict, "drop") == 0)
		return CLI_RED;
	return strcmp(verdict, "pass") == 0 ? CLI_YELLOW : CLI_GREEN;
}

static void print_verdict(const json_t *story)
{
	const char *verdict = reply_text(story, "verdict");

	title("verdict");
	cli_print_coloured(verdict_colour(verdict), "%s, %s", verdict, reply_text(story, "reason"));
	fprintf(cli_out(), ": %s\n", reply_text(story, "text"));
	if (!json_is_string(json_object_get(story, "advice")))
		return;
	title("advice");
	fprintf(cli_out(), "%s\n", reply_text(story, "advice"));
}

void story_print(const json_t *story)
{
	print_packet(story);
	print_service(story);
	print_access(story);
	print_rate(story);
	print_slot(story);
	print_choice(story);
	print_noted(story);
	print_backend(story);
	print_next_hop(story);
	print_out(story);
	print_verdict(story);
	if (reply_flag(story, "same_program"))
		return;
	title("note");
	fputs("the program that runs is another build's than this leat's; restart leatd, or use "
	      "its leat\n",
	      cli_out());
}

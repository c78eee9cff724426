/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waits until backends that are drained have no flow left. It asks leatd again and again and knows
 * nothing of flows itself, so that a daemon that is restarted meanwhile only keeps it waiting.
 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "tools/leat/cli.h"

#define POLL_MS	    1000
#define PATIENCE_MS 10000 /* without an answer: a daemon that is restarted is back before */
#define NOT_FOUND   404
#define GOES_ON	    (-1) /* where an exit code would end it */
#define ERASE_LINE  "\r\033[K"

/* What is left on all the backends. */
struct remains {
	size_t backends; /* that are not drained yet */
	uint64_t flows;
	uint64_t closing;
	uint64_t silent_s; /* until the flows that say nothing count as ended */
};

struct drain {
	struct api_parameter selection[2];
	uint64_t deadline_ms; /* from the start; 0: none */
	uint64_t started_ms;
	uint64_t answered_ms;	    /* when leatd did so last */
	json_t *backends;	    /* what it said */
	struct api_failure failure; /* its text is there while leatd does not answer */
	bool is_rewriting;	    /* one line of a terminal */
	bool has_shown;
	struct remains
		shown; /* with `was_answered`, the last line; of a terminal, the one it is on */
	bool was_answered;
};

static uint64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

static void drain_deinit(struct drain *drain)
{
	json_decref(drain->backends);
	api_failure_deinit(&drain->failure);
}

static const char *drain_name(const struct drain *drain)
{
	return drain->selection[0].value;
}

static bool drain_is_answered(const struct drain *drain)
{
	return !drain->failure.text;
}

static struct remains remains_sum(const json_t *backends)
{
	struct remains remains = {};
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		if (reply_flag(backend, "is_drained"))
			continue;
		remains.backends++;
		remains.flows += reply_count(backend, "flows");
		remains.closing += reply_count(backend, "closing_flows");
		remains.silent_s = MAX(remains.silent_s, reply_count(backend, "silent_s"));
	}
	return remains;
}

/* Time passes by itself and is no change. */
static bool remains_equal(const struct remains *a, const struct remains *b)
{
	return a->backends == b->backends && a->flows == b->flows && a->closing == b->closing;
}

/* "412 live flows, 3 closing; silent ones count as ended in 14m" */
static char *remains_format(const struct remains *remains)
{
	char duration[CLI_NUMBER_SIZE];
	char *text = NULL;
	size_t size;
	FILE *stream = cli_allocated(open_memstream(&text, &size));

	fprintf(stream, "%" PRIu64 " live flow%s, %" PRIu64 " closing", remains->flows,
		remains->flows == 1 ? "" : "s", remains->closing);
	if (remains->silent_s > 0)
		fprintf(stream, "; silent ones count as ended in %s",
			cli_format_duration(remains->silent_s, duration));
	fclose(stream);
	return cli_allocated(text);
}

static char *line_format(const struct drain *drain, const struct remains *remains)
{
	cleanup(freep) char *left = remains_format(remains);
	char *line;

	if (asprintf(&line, "%s: %s", drain_name(drain),
		     drain_is_answered(drain) ? left : "leatd does not answer, asking again") < 0)
		line = NULL;
	return cli_allocated(line);
}

/* A line for each change, or the same one again, which then ends before the terminal does. */
static int drain_show(struct drain *drain)
{
	struct remains remains = remains_sum(drain->backends);
	cleanup(freep) char *line = line_format(drain, &remains);
	bool is_same = drain->has_shown && remains_equal(&drain->shown, &remains) &&
		       drain->was_answered == drain_is_answered(drain);

	drain->has_shown = true;
	drain->shown = remains;
	drain->was_answered = drain_is_answered(drain);
	if (cli_options.json || (is_same && !drain->is_rewriting))
		return CLI_OK;
	if (drain->is_rewriting)
		fprintf(cli_out(), ERASE_LINE "%.*s",
			(int)MIN(cli_terminal_columns() - 1, (size_t)INT32_MAX), line);
	else
		fprintf(cli_out(), "%s\n", line);
	return cli_flush();
}

/* Leaves the line that was rewritten, for what comes last. */
static void drain_end_line(const struct drain *drain)
{
	if (drain->is_rewriting && drain->has_shown)
		fputc('\n', cli_out());
}

static int drain_succeed(struct drain *drain)
{
	if (cli_options.json) {
		cli_print_json(drain->backends);
		return CLI_OK;
	}
	drain_end_line(drain);
	if (json_array_size(drain->backends) == 0)
		fprintf(cli_out(), "%s is gone: leatd has neither it nor a flow of it\n",
			drain_name(drain));
	else
		fprintf(cli_out(), "%s is drained: no flow is left\n", drain_name(drain));
	return CLI_OK;
}

static int drain_fail(struct drain *drain, const char *format, ...) printf_like(2);

/* Under -j with what leatd said last, for whoever decides on it. */
static int drain_fail(struct drain *drain, const char *format, ...)
{
	cleanup(json_decrefp) json_t *report = NULL;
	cleanup(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	text = cli_format(format, args);
	va_end(args);
	if (!cli_options.json) {
		drain_end_line(drain);
		return cli_flush() ?: cli_error("%s", text);
	}
	report = json_pack("{s:o, s:O}", "error", cli_json_string(text), "backends",
			   drain->backends);
	cli_print_json(cli_allocated(report));
	return CLI_FAILURE;
}

static int drain_fail_by_deadline(struct drain *drain)
{
	struct remains remains = remains_sum(drain->backends);
	cleanup(freep) char *left = remains_format(&remains);
	bool is_answered = drain_is_answered(drain);
	char deadline[DURATION_TEXT_SIZE];

	return drain_fail(drain, "%s is not drained after %s and goes on draining: %s%s%s",
			  drain_name(drain), duration_format(drain->deadline_ms, deadline), left,
			  is_answered ? "" : "; leatd does not answer: ",
			  is_answered ? "" : drain->failure.text);
}

/* One that takes new flows again will never be drained; NULL: there is none. */
static const json_t *find_undrained(const json_t *backends)
{
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend) {
		const char *state = reply_text(backend, "state");

		if (!reply_flag(backend, "is_drained") && !reply_flag(backend, "leaving") &&
		    strcmp(state, "draining") != 0 && strcmp(state, "disabled") != 0)
			return backend;
	}
	return NULL;
}

static int drain_judge_answer(struct drain *drain)
{
	const json_t *undrained = find_undrained(drain->backends);

	if (remains_sum(drain->backends).backends == 0)
		return drain_succeed(drain);
	if (undrained)
		return drain_fail(drain, "%s of %s is no longer drained: it is %s",
				  drain_name(drain), reply_text(undrained, "service"),
				  reply_text(undrained, "state"));
	return GOES_ON;
}

static int drain_judge_time(struct drain *drain)
{
	char patience[DURATION_TEXT_SIZE];
	uint64_t now = now_ms();

	if (drain->deadline_ms && now - drain->started_ms >= drain->deadline_ms)
		return drain_fail_by_deadline(drain);
	if (!drain_is_answered(drain) && now - drain->answered_ms >= PATIENCE_MS)
		return drain_fail(drain,
				  "leatd has not answered for %s, so nothing is known of %s, which "
				  "goes on draining: %s",
				  duration_format(PATIENCE_MS, patience), drain_name(drain),
				  drain->failure.text);
	return GOES_ON;
}

/* The exit code, or GOES_ON. */
static int drain_judge(struct drain *drain)
{
	int r = drain_is_answered(drain) ? drain_judge_answer(drain) : GOES_ON;

	return r == GOES_ON ? drain_judge_time(drain) : r;
}

static bool says_what_is_drained(const json_t *backends)
{
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend)
		if (!json_is_boolean(json_object_get(backend, "is_drained")))
			return false;
	return true;
}

/* Takes the answer. */
static void drain_take(struct drain *drain, json_t *backends)
{
	api_failure_deinit(&drain->failure);
	if (!says_what_is_drained(backends)) {
		drain->failure.text = cli_allocated(
			strdup("what answers does not say what is drained; is leatd older?"));
		json_decref(backends);
		return;
	}
	json_decref(drain->backends);
	drain->backends = backends;
	drain->answered_ms = now_ms();
}

/* How long until something is to be said, whether leatd answers or not. */
static uint64_t drain_time_left_ms(const struct drain *drain)
{
	uint64_t now = now_ms(), end = drain->answered_ms + PATIENCE_MS;

	if (drain->deadline_ms)
		end = MIN(end, drain->started_ms + drain->deadline_ms);
	return end > now ? end - now : 0;
}

/* Who is not there any more has no flow either: it left the configuration when its last one ended. */
static void drain_ask(struct drain *drain)
{
	uint64_t timeout_ms = MAX(drain_time_left_ms(drain), (uint64_t)POLL_MS);
	json_t *backends = NULL;

	api_failure_deinit(&drain->failure);
	if (api_try_get("/v1/backends", drain->selection, ARRAY_SIZE(drain->selection), JSON_ARRAY,
			timeout_ms, &backends, &drain->failure) == CLI_OK)
		drain_take(drain, backends);
	else if (drain->failure.status == NOT_FOUND)
		drain_take(drain, json_array());
}

static bool terminal_can_rewrite(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

int drain_wait(const char *name, const char *service, uint64_t deadline_ms, const json_t *backends)
{
	cleanup(drain_deinit) struct drain drain = {
		.selection = { { "name", name }, { "service", service } },
		.deadline_ms = deadline_ms,
		.started_ms = now_ms(),
		.answered_ms = now_ms(),
		.backends = json_array(),
		.is_rewriting = !cli_options.json && terminal_can_rewrite(),
	};
	int r;

	drain_take(&drain, json_deep_copy(backends));
	while ((r = drain_judge(&drain)) == GOES_ON) {
		r = drain_show(&drain);
		if (r != CLI_OK)
			return r;
		poll(NULL, 0, (int)MIN(drain_time_left_ms(&drain), (uint64_t)POLL_MS));
		drain_ask(&drain);
	}
	return r;
}

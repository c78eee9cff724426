/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/sim/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/macros.h"
#include "tools/sim/clock.h"
#include "tools/sim/random.h"

#define SHORT_S	   10.0	  /* mean */
#define MINUTES_S  300.0  /* mean */
#define LONG_S	   1800.0 /* at least; a bounded Pareto distribution, with a mean of 51 minutes */
#define LONGEST_S  7200.0
#define LONG_SHAPE 1.5
#define LONG_MEAN  3086.0

#define MOST_PAUSE_S 20 /* between two flows of a client */

/* In a hundred. */
#define SHORT_SHARE    40
#define MINUTES_SHARE  30
#define LONG_SHARE     30
#define SILENT_END     10 /* ends without a FIN */
#define SAME_PORTS     5  /* the client's next flow has the 5-tuple of its last */
#define REPEATED_SYN   3
#define NEVER_ANSWERED 2 /* a SYN that nothing follows */
#define FULL_SILENCE   5 /* a pause as long as may be */

int population_init(struct population *population, uint32_t count, uint64_t seed)
{
	*population = (struct population){ .count = count, .random = seed };
	population->flows = aligned_alloc(4096, (size_t)count * sizeof(*population->flows));
	if (!population->flows)
		return -ENOMEM;
	madvise(population->flows, (size_t)count * sizeof(*population->flows), MADV_HUGEPAGE);
	for (uint32_t i = 0; i < count; i++)
		population->flows[i] = (struct flow){ .index = i, .is_asleep = true };
	return 0;
}

void population_deinit(struct population *population)
{
	for (size_t i = 0; i < FLOW_WHEEL; i++)
		free(population->wheel[i].flows);
	free(population->flows);
}

static bool happens(struct population *population, uint32_t in_a_hundred)
{
	return random_below(&population->random, 100) < in_a_hundred;
}

static double draw_long(struct population *population)
{
	double tail = pow(LONG_S / LONGEST_S, LONG_SHAPE);
	double u = random_unit(&population->random);

	return LONG_S / pow(1 - (1 - u) * (1 - tail), 1 / LONG_SHAPE);
}

/* How long a new flow lasts. */
static double draw_life(struct population *population)
{
	uint32_t drawn = random_below(&population->random, 100);

	if (drawn < SHORT_SHARE)
		return random_exponential(&population->random, SHORT_S);
	if (drawn < SHORT_SHARE + MINUTES_SHARE)
		return random_exponential(&population->random, MINUTES_S);
	return draw_long(population);
}

/* A flow that is met at any time is a long one the more often the longer it is. */
static double draw_met_long(struct population *population)
{
	double life;

	do
		life = draw_long(population);
	while (random_unit(&population->random) > life / LONGEST_S);
	return life;
}

/* How long a flow that is met at any time lasts, and how much of that is left. */
static double draw_met_life(struct population *population, double *ret_left)
{
	double shorts = SHORT_SHARE * SHORT_S, minutes = MINUTES_SHARE * MINUTES_S;
	double drawn =
		random_unit(&population->random) * (shorts + minutes + LONG_SHARE * LONG_MEAN);
	double mean = drawn < shorts ? SHORT_S : MINUTES_S, life;

	/* Memoryless: what is over and what is left are drawn apart. */
	if (drawn < shorts + minutes) {
		*ret_left = random_exponential(&population->random, mean);
		return *ret_left + random_exponential(&population->random, mean);
	}
	life = draw_met_long(population);
	*ret_left = life * random_unit(&population->random);
	return life;
}

struct leat_addr flow_source(const struct flow *flow)
{
	return (struct leat_addr){
		.words = { htonl(0x20010db8), htonl(0x20000), (uint32_t)flow->client,
			   (uint32_t)(flow->client >> 32) },
	};
}

void flow_rehash(struct flow *flow, const struct world *world)
{
	const struct leat_service_key key = world_service_key(world);
	const struct leat_addr source = flow_source(flow);

	flow->hash = leat_flow_hash(leat_service_hash_key(world->seed, &key), &source, flow->ports);
}

static void draw_tuple(struct population *population, struct flow *flow)
{
	uint64_t drawn = random_next(&population->random);

	flow->client = random_next(&population->random);
	flow->ports = (uint32_t)(drawn & 0xffff) | (uint32_t)htons(80) << 16;
	flow->route = (uint32_t)(drawn >> 32);
}

static void begin_flow(struct population *population, const struct world *world, struct flow *flow,
		       double life, double left)
{
	uint32_t pace = (uint32_t)MIN(life / 2, (double)world->idle_s);
	bool is_reuse = world->protocol == IPPROTO_TCP && flow->generation &&
			happens(population, SAME_PORTS);

	if (!is_reuse)
		draw_tuple(population, flow);
	flow_rehash(flow, world);
	flow->pace_s = (uint16_t)MAX(pace, 2U);
	flow->ends_s = clock_now_s() + (uint32_t)left;
	flow->node = world_route(world, flow->route);
	flow->moved = 0;
	flow->generation++;
	memset(flow->own, 0, sizeof(flow->own));
	population->opened++;
}

static int due_reserve(struct flow_due *due)
{
	uint32_t room = due->room ? due->room * 2 : 64;
	uint32_t *more;

	if (due->count < due->room)
		return 0;
	more = realloc(due->flows, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	due->flows = more;
	due->room = room;
	return 0;
}

/* Memory for the wheel is a few bytes a flow: without it there is no going on. */
static void schedule(struct population *population, const struct flow *flow, uint32_t in_s)
{
	struct flow_due *due = &population->wheel[(clock_now_s() + in_s) % FLOW_WHEEL];

	if (due_reserve(due) < 0)
		abort();
	due->flows[due->count++] = flow->index;
}

static uint32_t draw_silence(struct population *population, const struct flow *flow)
{
	uint32_t left = flow->ends_s > clock_now_s() ? flow->ends_s - clock_now_s() : 1;
	uint32_t silence = happens(population, FULL_SILENCE)
				   ? flow->pace_s
				   : random_between(&population->random, 1, flow->pace_s);

	return MAX(MIN(silence, left), 1U);
}

static void open_at_once(struct population *population, const struct world *world,
			 struct flow *flow,
			 void (*send)(void *user, struct flow *flow, struct flow_packet packet),
			 void *user)
{
	bool is_tcp = world->protocol == IPPROTO_TCP;
	double left, life = draw_met_life(population, &left);

	begin_flow(population, world, flow, life, left);
	send(user, flow, (struct flow_packet){ is_tcp ? FLOW_SYN : 0, true });
	send(user, flow, (struct flow_packet){ is_tcp ? FLOW_ACK : 0, false });
	flow->state = FLOW_OPEN;
}

void population_sleep_one(struct flow *flow)
{
	flow->is_asleep = true;
}

void population_sleep(struct population *population)
{
	for (size_t i = 0; i < FLOW_WHEEL; i++)
		population->wheel[i].count = 0;
	for (uint32_t i = 0; i < population->count; i++)
		population_sleep_one(&population->flows[i]);
}

void population_wake(struct population *population, const struct world *world,
		     void (*send)(void *user, struct flow *flow, struct flow_packet packet),
		     void *user)
{
	for (uint32_t i = 0; i < population->count; i++) {
		struct flow *flow = &population->flows[i];

		if (!flow->is_asleep)
			continue;
		flow->is_asleep = false;
		if (flow->state != FLOW_OPEN || flow->ends_s <= clock_now_s())
			open_at_once(population, world, flow, send, user);
		schedule(population, flow, random_between(&population->random, 1, flow->pace_s));
	}
}

const struct flow_due *population_due(const struct population *population)
{
	return &population->wheel[clock_now_s() % FLOW_WHEEL];
}

void population_end_second(struct population *population)
{
	population->wheel[clock_now_s() % FLOW_WHEEL].count = 0;
}

static struct flow_packet open_flow(struct population *population, const struct world *world,
				    struct flow *flow)
{
	bool is_tcp = world->protocol == IPPROTO_TCP;
	double life = draw_life(population);

	begin_flow(population, world, flow, life, life);
	flow->state = is_tcp ? FLOW_OPENING : FLOW_OPEN;
	schedule(population, flow, 1);
	return (struct flow_packet){ is_tcp ? FLOW_SYN : 0, true };
}

static void pause_client(struct population *population, struct flow *flow)
{
	flow->state = FLOW_NONE;
	schedule(population, flow, random_between(&population->random, 1, MOST_PAUSE_S));
}

/* The backend that answers the last SYN is the one that the flow is on. */
static bool answer_syn(struct population *population, struct flow *flow,
		       struct flow_packet *ret_packet)
{
	if (happens(population, NEVER_ANSWERED)) {
		pause_client(population, flow);
		return false;
	}
	if (happens(population, REPEATED_SYN)) {
		schedule(population, flow, random_between(&population->random, 1, 3));
		*ret_packet = (struct flow_packet){ FLOW_SYN, true };
		return true;
	}
	flow->state = FLOW_OPEN;
	schedule(population, flow, draw_silence(population, flow));
	*ret_packet = (struct flow_packet){ FLOW_ACK, false };
	return true;
}

static bool end_flow(struct population *population, const struct world *world, struct flow *flow,
		     struct flow_packet *ret_packet)
{
	if (world->protocol != IPPROTO_TCP || happens(population, SILENT_END)) {
		pause_client(population, flow);
		return false;
	}
	flow->state = FLOW_ENDING;
	schedule(population, flow, 1);
	*ret_packet = (struct flow_packet){ FLOW_FIN | FLOW_ACK, false };
	return true;
}

bool population_speak(struct population *population, const struct world *world, struct flow *flow,
		      struct flow_packet *ret_packet)
{
	*ret_packet = (struct flow_packet){ FLOW_ACK, false };
	switch (flow->state) {
	case FLOW_NONE:
		*ret_packet = open_flow(population, world, flow);
		return true;
	case FLOW_OPENING:
		return answer_syn(population, flow, ret_packet);
	case FLOW_ENDING:
		pause_client(population, flow);
		return true;
	default:
		if (flow->ends_s <= clock_now_s())
			return end_flow(population, world, flow, ret_packet);
		schedule(population, flow, draw_silence(population, flow));
		return true;
	}
}

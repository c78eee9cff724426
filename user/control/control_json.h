/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The node as the JSON documents of the control API. Every function returns a new reference, or NULL
 * when out of memory; jansson passes such a NULL on, so that callers look at the whole only.
 */
#ifndef LEAT_CONTROL_CONTROL_JSON_H
#define LEAT_CONTROL_CONTROL_JSON_H

#include <jansson.h>

#include "control/control.h"
#include "model/node.h"

json_t *control_service_json(const struct node *node, const struct service *service);
json_t *control_backend_json(const struct node *node, const struct backend *backend);
json_t *control_stats_json(const struct node *node);
json_t *control_node_json(const struct node *node);
json_t *control_interfaces_json(const struct node *node);
/* What is denied at run time, and how many prefixes the configuration denies beside. */
json_t *control_denied_json(const struct node *node);
/* What runs, by the keys of the configuration file. */
json_t *control_config_json(const struct node *node);

/* control_forecast.c. What a change does. */
json_t *control_forecast_json(const struct forecast *forecast);
/* Which configurations ran, and whether the last one is on trial; null: it is not. */
json_t *control_versions_json(const struct config_versions *versions);
json_t *control_trial_json(const struct config_trial *trial);

/* What a service's objects in all documents have in common. */
json_t *control_service_keys_json(const struct service_config *service);

/* Packets and bytes so far and per second, as every object that counts has them. */
json_t *control_traffic_json(const struct leat_counter *counter, const struct counter_rate *rate);

/* Builders that take all they are given and return the grown first one, or NULL when anything is. */
json_t *control_json_append(json_t *list, json_t *item);
json_t *control_json_set(json_t *object, const char *key, json_t *value);
json_t *control_json_merge(json_t *object, json_t *more);

/* Leaves of any of these. JSON holds Unicode alone: a text that is not gets '?' for what is not
 * ASCII. JSON has no infinity and 63-bit numbers: those become 0 and the largest one. */
json_t *control_text_json(const char *text);
json_t *control_number_json(uint64_t number);
json_t *control_real_json(double number);
json_t *control_address_json(const struct leat_addr *address);
json_t *control_prefix_json(const struct prefix *prefix);
json_t *control_mac_json(const uint8_t mac[6]);
/* A number, or "any" for 0. */
json_t *control_port_json(__be16 port);

#endif

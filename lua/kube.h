/* kube.h - one Kubernetes object: from JSON to the structs of lunette.h. */
#ifndef LUNETTE_LUA_KUBE_H
#define LUNETTE_LUA_KUBE_H

#include "objects.h"

#include <cjson/cJSON.h>

/* An object that is being read: where it is, and whom to tell what cannot be honoured. */
struct kube_source {
	const cJSON *json;
	const char *at; /* "objects.json:17" */
	void (*log)(void *user, const char *line);
	void *user;
};

/* The text of a member, or NULL if it is not there or no text. */
const char *kube_text(const cJSON *object, const char *key);

/* "default/nginx", or just the name where there is no namespace; false if there is no good name. */
bool kube_name(const struct kube_source *source, char name[LUN_NAME_SIZE]);

/* "objects.json:17: Service default/nginx: ..." */
void kube_say(const struct kube_source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The service whose slice this is; NULL if none is said. */
const char *kube_slice_owner(const struct kube_source *source);

/* Each reads into `arena`, which tells by `failed` if memory was out.  False: the object is to be ignored, which was said. */
bool kube_read_service(const struct kube_source *source, struct arena *arena, struct lun_service *service);
bool kube_read_slice(const struct kube_source *source, struct arena *arena, struct kube_slice *slice);
void kube_read_node(const struct kube_source *source, struct arena *arena, struct kube_node *node);

#endif

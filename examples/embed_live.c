/* embed_live.c - the agent inside a program of one's own: a Lua policy, on the kernel's connections, on a libuv loop.
 *
 *	embed_live POLICY
 *
 * Works on the network namespace that it is started in, until Ctrl-C; then its rules and connections go. */
#include <lunette/live.h>
#include <lunette/lua.h>
#include <stdio.h>

static void on_interrupt(uv_signal_t *interrupt, int number)
{
	(void)number;
	lun_live_stop(interrupt->data, true);
	uv_close((uv_handle_t *)interrupt, NULL);
}

int main(int argc, char **argv)
{
	struct lun_live_config config = { .size = sizeof(config), .loop = uv_default_loop() };
	struct lun_live *live;
	struct lun_error error;
	uv_signal_t interrupt;
	bool failed;

	if (argc != 2)
		return fprintf(stderr, "usage: embed_live POLICY\n"), 2;
	failed =
		lun_lua_policy_load(&config.policy, argv[1], NULL, &error) < 0 || lun_live_start(&live, &config, &error) < 0;
	lun_policy_unref(config.policy); /* the agent has a reference of its own */
	if (failed)
		return fprintf(stderr, "%s\n", error.text), 1;
	uv_signal_init(config.loop, &interrupt);
	interrupt.data = live;
	uv_signal_start(&interrupt, on_interrupt, SIGINT);
	fprintf(stderr, "serving %s\n", argv[1]);
	uv_run(config.loop, UV_RUN_DEFAULT);
	return uv_loop_close(config.loop);
}

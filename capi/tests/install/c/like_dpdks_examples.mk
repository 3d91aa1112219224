# Builds as DPDK's own examples do: with its package by name, shared, or static by `make static`.
CFLAGS += -O2 $(shell pkg-config --cflags libdpdk)
LIBRARIES := $(shell pkg-config --libs libdpdk)
STATIC_LIBRARIES := $(shell pkg-config --static --libs libdpdk)

shared: hello-shared
static: hello-static

hello-shared: hello.c $(shell pkg-config --path libdpdk)
	$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) $(LIBRARIES)

hello-static: hello.c $(shell pkg-config --path libdpdk)
	$(CC) $(CFLAGS) $< -o $@ $(LDFLAGS) $(STATIC_LIBRARIES)

.PHONY: shared static

/* Two processes reconcile a key over a socket pair, blind: nothing is known of the error rate. Then they hash it to a secret
 * one.
 *
 *     cargo build --release -p caligo-capi
 *     cc -std=c11 -Icapi/include capi/examples/socketpair.c target/release/libcaligo.a -lpthread -ldl -lm -o socketpair
 *     ./socketpair
 *
 * Frames go over the socket with their length before them. A real channel is authenticated besides: see docs/embedding.md. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "caligo.h"

enum { KEY_BITS = 100000, KEY_WORDS = (KEY_BITS + 63) / 64, WINDOW = 8, ITERATIONS = 60 };

static void fail(const char *what) {
    fprintf(stderr, "socketpair: %s\n", what);
    exit(1);
}

static void check(CaligoStatus status) {
    if (status != CALIGO_STATUS_OK) fail(caligo_status_string(status));
}

static void *allocate(size_t size) {
    void *memory = size > 0 ? malloc(size) : NULL;
    if (memory == NULL) fail("no memory");
    return memory;
}

/* Microseconds of a clock that never goes back. */
static uint64_t now(void) {
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) fail("no clock");
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

/* Private randomness, of the operating system: Alice's padding hides her key. */
static void entropy(uint64_t *words, size_t count) {
    unsigned char *at = (unsigned char *)words;
    size_t left = count * sizeof *words;
    int file = open("/dev/urandom", O_RDONLY);
    if (file < 0) fail("no /dev/urandom");
    while (left > 0) {
        ssize_t got = read(file, at, left);
        if (got <= 0 && errno != EINTR) fail("/dev/urandom ended");
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        }
    }
    close(file);
}

static void write_all(int socket, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(socket, bytes, length);
        if (sent < 0 && errno != EINTR) fail("the peer is gone");
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
}

static void read_all(int socket, uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t got = read(socket, bytes, length);
        if (got == 0 || (got < 0 && errno != EINTR)) fail("the peer is gone");
        if (got > 0) {
            bytes += got;
            length -= (size_t)got;
        }
    }
}

static void send_frame(int socket, const uint8_t *frame, size_t length) {
    uint8_t head[4] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    if (length == 0) return;
    write_all(socket, head, sizeof head);
    write_all(socket, frame, length);
}

/* The peer's next frame, of at most CALIGO_MAX_FRAME bytes; 0 if none came before the deadline. */
static size_t receive_frame(int socket, uint8_t *frame, uint64_t deadline) {
    struct pollfd watched = {.fd = socket, .events = POLLIN, .revents = 0};
    uint64_t moment = now();
    int timeout = deadline > moment ? (int)((deadline - moment) / 1000u + 1u) : 0;
    int ready = poll(&watched, 1, timeout);
    uint8_t head[4];
    size_t length;
    if (ready <= 0) return 0;
    read_all(socket, head, sizeof head);
    length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (length > CALIGO_MAX_FRAME) fail("a frame is too long");
    read_all(socket, frame, length);
    return length;
}

static void report(const char *who, const CaligoEffect *effect, uint32_t left_out) {
    if (effect->kind == CALIGO_EFFECT_ABORTED) fail(caligo_reason_string(effect->reason));
    printf("%s: %" PRIu64 " bits disclosed, %" PRIu32 " left out, a wrong key with less than 2^%.0f\n", who,
           effect->ledger.charged, left_out, ceil(effect->undetected_log2));
    fflush(stdout);
}

/* Privacy amplification: less what was disclosed, and 100 bits for a distance from uniform of 2^-50. This takes it that nobody
 * knew anything of the key before; what your devices leak to an adversary comes off as well. The number of bits. */
static size_t amplify(const uint64_t *key, uint64_t disclosed, const uint64_t *seed, uint64_t *secret) {
    size_t bits = KEY_BITS - (size_t)disclosed - 100;
    size_t seed_words = (caligo_toeplitz_seed_bits(KEY_BITS, bits) + 63) / 64;
    size_t scratch_words = caligo_toeplitz_scratch_words(KEY_BITS, bits);
    uint64_t *scratch = allocate(scratch_words * sizeof *scratch);
    check(caligo_toeplitz(seed, seed_words, key, KEY_BITS, secret, bits, scratch, scratch_words));
    memset(scratch, 0, scratch_words * sizeof *scratch);
    free(scratch);
    return bits;
}

static void alice(int socket, const uint64_t *key) {
    static uint8_t in[CALIGO_MAX_FRAME], out[CALIGO_MAX_FRAME];
    static uint64_t seed[2 * KEY_WORDS], secret[KEY_WORDS];
    size_t size = caligo_alice_size(KEY_BITS, WINDOW);
    void *memory = allocate(size);
    uint64_t words[1024];
    uint32_t left_out = 0;
    CaligoAlice *machine = NULL;
    CaligoConfig config;
    CaligoEffect effect;

    check(caligo_config_init(&config, CALIGO_STRATEGY_BLIND, KEY_BITS, -1.0));
    config.window = WINDOW;
    check(caligo_alice_init(memory, size, &config, key, KEY_WORDS, now(), &machine));
    check(caligo_alice_poll(machine, now(), out, sizeof out, &effect));
    while (effect.kind != CALIGO_EFFECT_DONE && effect.kind != CALIGO_EFFECT_ABORTED) {
        size_t length = 0;
        if (effect.kind == CALIGO_EFFECT_ENTROPY) {
            if (effect.words > sizeof words / sizeof *words) fail("too much entropy is asked for");
            entropy(words, effect.words);
            check(caligo_alice_entropy(machine, now(), words, effect.words, out, sizeof out, &effect));
            continue;
        }
        if (effect.kind == CALIGO_EFFECT_SEND) send_frame(socket, out, effect.length);
        if (effect.kind == CALIGO_EFFECT_RELEASED && !effect.released.verified) left_out += effect.released.payload;
        if (effect.kind == CALIGO_EFFECT_IDLE) {
            length = receive_frame(socket, in, caligo_alice_deadline(machine));
        }
        if (length > 0) {
            check(caligo_alice_received(machine, now(), in, length, out, sizeof out, &effect));
        } else {
            check(caligo_alice_poll(machine, now(), out, sizeof out, &effect));
        }
    }
    send_frame(socket, out, effect.length);
    report("Alice", &effect, left_out);
    caligo_alice_end(machine);
    free(memory);
    /* Bob has his key, so that the seed may be known to everybody. */
    entropy(seed, 2 * KEY_WORDS);
    write_all(socket, (const uint8_t *)seed, sizeof seed);
    amplify(key, effect.ledger.charged, seed, secret);
    /* For this simulation to compare. Nobody else sends a secret. */
    write_all(socket, (const uint8_t *)secret, sizeof secret);
}

static void bob(int socket, const uint64_t *key, uint64_t *corrected) {
    static uint8_t in[CALIGO_MAX_FRAME], out[CALIGO_MAX_FRAME];
    static uint64_t seed[2 * KEY_WORDS], secret[KEY_WORDS], hers[KEY_WORDS];
    size_t bits, size = caligo_bob_size(KEY_BITS, WINDOW, 0);
    size_t decoder_size = caligo_decoder_size(CALIGO_DECODER_KIND_INTEGER, 0);
    void *memory = allocate(size), *decoder_memory = allocate(decoder_size);
    uint32_t left_out = 0;
    CaligoBob *machine = NULL;
    CaligoDecoder *decoder = NULL;
    CaligoTerms terms = {
        .key_bits = KEY_BITS, .window = WINDOW, .classes = 0, .learn = true, .budget = UINT64_MAX, .timeout_us = 30000000};
    CaligoEffect effect;

    check(caligo_decoder_init(decoder_memory, decoder_size, CALIGO_DECODER_KIND_INTEGER, 0, ITERATIONS, &decoder));
    check(caligo_bob_init(memory, size, &terms, now(), &machine));
    check(caligo_bob_poll(machine, now(), out, sizeof out, &effect));
    while (effect.kind != CALIGO_EFFECT_DONE && effect.kind != CALIGO_EFFECT_ABORTED) {
        size_t length = 0;
        if (effect.kind == CALIGO_EFFECT_AGREED) {
            check(caligo_bob_key(machine, now(), key, KEY_WORDS, NULL, 0, out, sizeof out, &effect));
            continue;
        }
        if (effect.kind == CALIGO_EFFECT_DECODE) {
            check(caligo_bob_load(machine, effect.slot, decoder));
            check(caligo_decoder_run(decoder, NULL));
            check(caligo_bob_decoded(machine, now(), decoder, out, sizeof out, &effect));
            continue;
        }
        if (effect.kind == CALIGO_EFFECT_SEND) send_frame(socket, out, effect.length);
        if (effect.kind == CALIGO_EFFECT_RELEASED && !effect.released.verified) left_out += effect.released.payload;
        if (effect.kind == CALIGO_EFFECT_IDLE) {
            length = receive_frame(socket, in, caligo_bob_deadline(machine));
        }
        if (length > 0) {
            check(caligo_bob_received(machine, now(), in, length, out, sizeof out, &effect));
        } else {
            check(caligo_bob_poll(machine, now(), out, sizeof out, &effect));
        }
    }
    if (effect.kind == CALIGO_EFFECT_DONE) check(caligo_bob_corrected(machine, corrected, KEY_WORDS));
    send_frame(socket, out, effect.length);
    report("Bob", &effect, left_out);
    caligo_bob_end(machine);
    caligo_decoder_end(decoder);
    free(memory);
    free(decoder_memory);
    read_all(socket, (uint8_t *)seed, sizeof seed);
    bits = amplify(corrected, effect.ledger.charged, seed, secret);
    read_all(socket, (uint8_t *)hers, sizeof hers);
    if (memcmp(secret, hers, sizeof hers) != 0) fail("the secret keys differ");
    printf("%zu secret bits\n", bits);
}

/* Numbers that look random, the same in every run: a simulation of keys, not a secret. */
static uint64_t next(uint64_t *state) {
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

int main(void) {
    static uint64_t hers[KEY_WORDS], his[KEY_WORDS], corrected[KEY_WORDS];
    uint64_t state = 1;
    int sockets[2], status = 0, errors = 0;
    pid_t child;

    for (size_t i = 0; i < KEY_WORDS; i++) hers[i] = next(&state);
    hers[KEY_WORDS - 1] &= (UINT64_C(1) << (KEY_BITS % 64)) - 1;
    memcpy(his, hers, sizeof his);
    for (size_t i = 0; i < KEY_BITS; i++) {
        if (next(&state) % 1000 < 30) {
            his[i / 64] ^= UINT64_C(1) << (i % 64);
            errors++;
        }
    }
    printf("%d of %d bits differ\n", errors, KEY_BITS);
    fflush(stdout);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) fail("no socket pair");
    child = fork();
    if (child < 0) fail("no second process");
    if (child == 0) {
        close(sockets[0]);
        alice(sockets[1], hers);
        close(sockets[1]);
        return 0;
    }
    close(sockets[1]);
    bob(sockets[0], his, corrected);
    close(sockets[0]);
    if (waitpid(child, &status, 0) != child || status != 0) fail("Alice failed");
    /* Blocks left out would be cut out of both keys; at this error rate there are none. */
    if (memcmp(corrected, hers, sizeof hers) != 0) fail("the keys differ");
    puts("the keys are equal");
    return 0;
}

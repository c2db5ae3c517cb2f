/* C interface of Caligo: information reconciliation for quantum cryptography.
 *
 * Nothing is allocated, and nothing of the world is touched. The caller gives memory (..._size says how much, of any alignment),
 * time in microseconds, private randomness, and a channel; a machine takes one event and says one effect. A handle lives in the
 * memory that it was made in, until ..._end overwrites that. A handle is used by one thread at a time; different ones are
 * independent. Functions that return a CaligoStatus do nothing unless they return CALIGO_STATUS_OK.
 *
 * Made by cbindgen from the crate caligo-capi; `CALIGO_WRITE_GOLDEN=1 cargo test -p caligo-capi --test header` writes it. */


#ifndef CALIGO_H
#define CALIGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bits of a frame.
#define CALIGO_FRAME_BITS 4096

// Words of 64 bits of a frame; bit i is bit i % 64 of word i / 64.
#define CALIGO_FRAME_WORDS 64

// Words of a syndrome, of 2048 bits.
#define CALIGO_SYNDROME_WORDS 32

// Send the first `length` bytes of `out` to the peer as one frame, then poll.
#define CALIGO_EFFECT_SEND 1

// Answer with `words` random words of 64 bits (`caligo_alice_entropy`). They are private: from the operating system.
#define CALIGO_EFFECT_ENTROPY 2

// Decode the job of `slot` (`caligo_bob_load`, `caligo_decoder_run`, `caligo_bob_decoded`), now or later; poll.
#define CALIGO_EFFECT_DECODE 3

// Bob has learnt what Alice proposes (`hello`): answer with his key (`caligo_bob_key`).
#define CALIGO_EFFECT_AGREED 4

// The sample is compared (`sample_errors` of `sample_bits`); poll.
#define CALIGO_EFFECT_SAMPLED 5

// A block is final (`released`); poll.
#define CALIGO_EFFECT_RELEASED 6

// Wait for a frame, a decision or the deadline.
#define CALIGO_EFFECT_IDLE 7

// The key is done (`ledger`, `tags`, `undetected_log2`): keep it, then send `length` bytes of `out` if there are any.
#define CALIGO_EFFECT_DONE 8

// It is over (`reason`, `ledger`): nothing of the key may be used. Send `length` bytes of `out` if there are any.
#define CALIGO_EFFECT_ABORTED 9

// Bytes of the longest frame: `out` has at least so many.
#define CALIGO_MAX_FRAME 16396

// Most positions of a symmetric request.
#define CALIGO_MAX_POSITIONS 4096

// One syndrome at a rate for the known error rate; more is revealed where that fails.
#define CALIGO_STRATEGY_BASELINE 0

// A high rate, and padding revealed until Bob decodes.
#define CALIGO_STRATEGY_BLIND 1

// The same, and Bob names the positions.
#define CALIGO_STRATEGY_SYMMETRIC 2

// What the syndrome tells about the payload, private padding taken off.
#define CALIGO_POLICY_EXACT 0

// Whole syndromes, and payload revealed.
#define CALIGO_POLICY_SYNDROME_CAP 1

// Whole syndromes and everything revealed, padding too.
#define CALIGO_POLICY_CONSERVATIVE 2

// Most bits of a key, and of what it is hashed to.
#define CALIGO_MAX_TOEPLITZ_BITS (1 << 30)

// What a function returns: `CALIGO_STATUS_OK`, or why nothing was done.
typedef enum {
  // Done.
  CALIGO_STATUS_OK = 0,
  // A pointer is null that must not be.
  CALIGO_STATUS_NULL = 1,
  // The memory given is smaller than the size function says.
  CALIGO_STATUS_MEMORY = 2,
  // A buffer has another length than is asked for.
  CALIGO_STATUS_LENGTH = 3,
  // A number is out of its range, or is none of the constants.
  CALIGO_STATUS_RANGE = 4,
  // No code rate serves the error rate.
  CALIGO_STATUS_RATE = 5,
  // This machine, decoder or slot is not in a state for that: it is over, was never made, or holds no job.
  CALIGO_STATUS_STATE = 6,
} CaligoStatus;

// Arithmetic of a decoder.
typedef enum {
  // 8-bit messages, integers only.
  CALIGO_DECODER_KIND_INTEGER = 0,
  // Sum-product over 32-bit floats: fewer frame errors, three times the memory.
  CALIGO_DECODER_KIND_FLOAT = 1,
} CaligoDecoderKind;

// Alice: her key is the reference.
typedef struct CaligoAlice CaligoAlice;

// Bob: he corrects his key.
typedef struct CaligoBob CaligoBob;

// A decoder. Its memory holds key bits until `caligo_decoder_end`.
typedef struct CaligoDecoder CaligoDecoder;

// What of a frame carries payload.
typedef struct {
  // Positions that carry private random padding, of which Bob knows nothing.
  uint16_t punctured;
  // Positions that both know to be 0.
  uint16_t shortened;
} CaligoPattern;

// How decoding ended.
typedef struct {
  // Whether the decision has the syndrome.
  bool converged;
  // Iterations done.
  uint16_t iterations;
  // Checks not satisfied at the end.
  uint32_t unsatisfied;
} CaligoOutcome;

// A session as Alice wants it. Begin with `caligo_config_init`.
typedef struct {
  // One of `CALIGO_STRATEGY_...`.
  uint32_t strategy;
  // One of `CALIGO_POLICY_...`.
  uint32_t policy;
  // The decoder that Bob has: the rate is chosen for it.
  uint32_t decoder;
  // Bits of the key, 1 to 2^32 - 1.
  uint32_t key_bits;
  // Of these, the first so many are disclosed to estimate the error rate, and are no key any more: 0 to 32768.
  uint32_t sample_bits;
  // Blocks in flight, 2 or more. Memory grows with it.
  uint16_t window;
  // Disclosures of a block at most, the syndrome included: 1 to 64.
  uint8_t rounds;
  // Whether verified blocks teach the error rate to the next ones.
  bool adapt;
  // Error rate, 0 <= `qber` < 1/2; negative if none is known, which baseline takes only with a sample.
  double qber;
  // Frame error rate aimed at, 1e-6 to 0.5: of the first decoding (baseline), of the last (others).
  double target_fer;
  // Most bits that may be charged; the session ends before a disclosure that would pass it.
  uint64_t budget;
  // Microseconds after which a silent peer is given up.
  uint64_t timeout_us;
  // Seed of the public permutation by which the hosts order the key, for Bob to know; 0 for none.
  uint64_t permutation;
} CaligoConfig;

// A session as Alice proposes it.
typedef struct {
  // One of the strategies.
  uint32_t strategy;
  // One of the policies.
  uint32_t policy;
  // Disclosures of a block at most.
  uint8_t rounds;
  // Frame error rate aimed at, in millionths.
  uint32_t target_fer_ppm;
  // Blocks in flight.
  uint16_t window;
  // Bits of the key.
  uint32_t key_bits;
  // Bits that are disclosed to estimate the error rate: the first of the key.
  uint32_t sample_bits;
  // Seed of the public permutation by which the hosts order the key; 0 for none.
  uint64_t permutation;
  // Alice's budget in bits.
  uint64_t budget;
} CaligoHello;

// A final block.
typedef struct {
  // Number of the block.
  uint32_t block;
  // Its first bit in the key.
  uint32_t start;
  // Its bits.
  uint32_t payload;
  // Whether it is verified. If not, both leave its bits out of the key.
  bool verified;
  // Errors corrected (Bob).
  uint32_t errors;
  // Decoding attempts.
  uint32_t rounds;
  // Bits revealed after the syndrome.
  uint32_t revealed;
  // Decoder iterations.
  uint32_t iterations;
} CaligoReleased;

// What was disclosed, in bits of the key.
typedef struct {
  // Charged under the session's policy: by so much the key is to be shortened, besides what its source's proof takes.
  uint64_t charged;
  // Of syndromes.
  uint64_t syndrome;
  // Of padding revealed.
  uint64_t padding;
  // Key bits revealed.
  uint64_t payload;
  // Of tags.
  uint64_t tag;
  // Bits of the sample, which are left out of the key.
  uint64_t sample;
} CaligoLedger;

// What a host has to do next: `kind`, and the fields that it names. Others are zero.
typedef struct {
  // One of `CALIGO_EFFECT_...`.
  uint32_t kind;
  // Bytes of `out` to send.
  size_t length;
  // Random words wanted.
  size_t words;
  // Slot of a job.
  size_t slot;
  // What Alice proposes.
  CaligoHello hello;
  // Errors of the sample.
  uint32_t sample_errors;
  // Its bits.
  uint32_t sample_bits;
  // A final block.
  CaligoReleased released;
  // What was disclosed.
  CaligoLedger ledger;
  // Tags sent.
  uint32_t tags;
  // log2 of the bound on the chance that a wrong block was released; minus infinity if there was none.
  double undetected_log2;
  // Why it is over: `caligo_reason_string`.
  uint8_t reason;
} CaligoEffect;

// What Bob insists on.
typedef struct {
  // Bits of his key.
  uint32_t key_bits;
  // Most blocks in flight: Alice may have fewer.
  uint16_t window;
  // Classes of his bits, 0 or 1 if there are none.
  uint16_t classes;
  // Whether verified blocks teach the decoder the error rates of the next ones.
  bool learn;
  // Most bits that may be charged; the smaller of his and Alice's holds for both.
  uint64_t budget;
  // Microseconds after which a silent peer is given up.
  uint64_t timeout_us;
} CaligoTerms;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The pattern for an error rate, 0 <= `qber` < 1/2, and a frame error rate from 1e-6 to 0.5 of a decoder of `kind`.
//
// `pattern` is null or valid for writes.
CaligoStatus caligo_pattern_select(double qber,
                                   double frame_error_rate,
                                   uint32_t kind,
                                   CaligoPattern *pattern);

// Payload bits of a frame with `pattern`; 0 if there is no such pattern.
//
// `pattern` is null or valid for reads.
size_t caligo_pattern_payload(const CaligoPattern *pattern);

// Fills `frame` (`CALIGO_FRAME_WORDS`): payload bits, padding bits on punctured positions, zeros on shortened ones.
// `payload_words` and `padding_words` are those that their bits need. Alice's padding is private and random, fresh for
// every frame; Bob's is zeros.
//
// Pointers are null or valid for as many words; `frame` overlaps neither of the others.
CaligoStatus caligo_scatter(const CaligoPattern *pattern,
                            const uint64_t *payload,
                            size_t payload_words,
                            const uint64_t *padding,
                            size_t padding_words,
                            uint64_t *frame);

// The payload bits of `frame`, in order, into `payload`, of the words that they need.
//
// Pointers are null or valid for as many words, and do not overlap.
CaligoStatus caligo_gather(const CaligoPattern *pattern,
                           const uint64_t *frame,
                           uint64_t *payload,
                           size_t payload_words);

// The syndrome (`CALIGO_SYNDROME_WORDS`) of `frame` (`CALIGO_FRAME_WORDS`).
//
// Pointers are null or valid for as many words, and do not overlap.
CaligoStatus caligo_encode(const uint64_t *frame, uint64_t *syndrome);

// Bytes for a decoder of `kind` that names up to `doubts` positions for a symmetric request (0 for other strategies,
// `CALIGO_MAX_POSITIONS` at most). 0 if there is no such decoder.
size_t caligo_decoder_size(uint32_t kind,
                           size_t doubts);

// Makes a decoder in `memory`, of `size` bytes, any alignment, which is its own until `caligo_decoder_end`.
// `max_iterations` is at least 1; 40 to 100 are usual.
//
// `memory` is null or valid for reads and writes of `size` bytes, and `decoder` null or valid for writes.
CaligoStatus caligo_decoder_init(void *memory,
                                 size_t size,
                                 uint32_t kind,
                                 size_t doubts,
                                 uint16_t max_iterations,
                                 CaligoDecoder **decoder);

// Overwrites the decoder's memory, which is the caller's again. Null is allowed.
//
// `decoder` is null or comes from `caligo_decoder_init` and has not been ended.
void caligo_decoder_end(CaligoDecoder *decoder);

// Decodes one frame: `frame` as received (`CALIGO_FRAME_WORDS`, shortened positions 0), `syndrome` the other side's
// (`CALIGO_SYNDROME_WORDS`), `qber` the error rate of the payload, 0 <= `qber` <= 1/2. `decision` (`CALIGO_FRAME_WORDS`)
// is the frame corrected, if `outcome` says that it converged, else the last try.
//
// `decoder` comes from `caligo_decoder_init`; other pointers are null or valid for as many words, and do not overlap.
CaligoStatus caligo_decode(CaligoDecoder *decoder,
                           const CaligoPattern *pattern,
                           const uint64_t *frame,
                           const uint64_t *syndrome,
                           double qber,
                           uint64_t *decision,
                           CaligoOutcome *outcome);

// Runs the job that `caligo_bob_load` loaded. Any thread may do so; Bob's machine may go on meanwhile.
//
// `decoder` is null or comes from `caligo_decoder_init`; `outcome` is null, if nobody wants to know, or valid for writes.
CaligoStatus caligo_decoder_run(CaligoDecoder *decoder,
                                CaligoOutcome *outcome);

// The defaults of `strategy` for a key of `key_bits` bits of error rate `qber` (negative: none known).
//
// `config` is null or valid for writes.
CaligoStatus caligo_config_init(CaligoConfig *config, uint32_t strategy, uint32_t key_bits, double qber);

// Bytes for Alice's machine, with a key of `key_bits` bits and `window` blocks in flight. 0 for a window below 2.
size_t caligo_alice_size(uint32_t key_bits,
                         uint16_t window);

// Makes Alice's machine in `memory`, of `size` bytes, any alignment, which is its own until `caligo_alice_end`. `key` has the
// words that `key_bits` bits need, in the agreed permutation, and is copied. The clock counts microseconds since any moment.
//
// `memory` is null or valid for reads and writes of `size` bytes; other pointers are null or valid for as many values.
CaligoStatus caligo_alice_init(void *memory,
                               size_t size,
                               const CaligoConfig *config,
                               const uint64_t *key,
                               size_t key_words,
                               uint64_t now_us,
                               CaligoAlice **alice);

// Nothing new: do what is due, or notice that time is up. `out` has at least `CALIGO_MAX_FRAME` bytes, here and below.
//
// `alice` comes from `caligo_alice_init` and has not been ended; other pointers are null or valid; here and below.
CaligoStatus caligo_alice_poll(CaligoAlice *alice,
                               uint64_t now_us,
                               uint8_t *out,
                               size_t out_length,
                               CaligoEffect *effect);

// One whole frame came from Bob.
//
// As for `caligo_alice_poll`.
CaligoStatus caligo_alice_received(CaligoAlice *alice,
                                   uint64_t now_us,
                                   const uint8_t *frame,
                                   size_t length,
                                   uint8_t *out,
                                   size_t out_length,
                                   CaligoEffect *effect);

// The entropy asked for.
//
// As for `caligo_alice_poll`.
CaligoStatus caligo_alice_entropy(CaligoAlice *alice,
                                  uint64_t now_us,
                                  const uint64_t *words,
                                  size_t count,
                                  uint8_t *out,
                                  size_t out_length,
                                  CaligoEffect *effect);

// The host gives up.
//
// As for `caligo_alice_poll`.
CaligoStatus caligo_alice_cancel(CaligoAlice *alice,
                                 uint64_t now_us,
                                 uint8_t *out,
                                 size_t out_length,
                                 CaligoEffect *effect);

// When Bob's time is up, in microseconds; the greatest number once the machine is over, 0 of null.
//
// As for `caligo_alice_poll`.
uint64_t caligo_alice_deadline(const CaligoAlice *alice);

// What was disclosed so far; all zero of null.
//
// As for `caligo_alice_poll`.
CaligoLedger caligo_alice_ledger(const CaligoAlice *alice);

// Overwrites the machine's memory, which is the caller's again. Null is allowed.
//
// As for `caligo_alice_poll`.
void caligo_alice_end(CaligoAlice *alice);

// Bytes for Bob's machine, with a key of `key_bits` bits, up to `window` blocks in flight, and, if errors differ by the class
// of a bit, up to `classes` classes (0 otherwise, 256 at most). 0 for a window below 2 or more classes.
size_t caligo_bob_size(uint32_t key_bits,
                       uint16_t window,
                       size_t classes);

// Makes Bob's machine in `memory`, of `size` bytes, any alignment, which is its own until `caligo_bob_end`. He follows Alice's
// strategy.
//
// `memory` is null or valid for reads and writes of `size` bytes, and other pointers are null or valid.
CaligoStatus caligo_bob_init(void *memory,
                             size_t size,
                             const CaligoTerms *terms,
                             uint64_t now_us,
                             CaligoBob **bob);

// Nothing new: do what is due, or notice that time is up.
//
// `bob` comes from `caligo_bob_init` and has not been ended; other pointers are null or valid; here and below.
CaligoStatus caligo_bob_poll(CaligoBob *bob,
                             uint64_t now_us,
                             uint8_t *out,
                             size_t out_length,
                             CaligoEffect *effect);

// One whole frame came from Alice.
//
// As for `caligo_bob_poll`.
CaligoStatus caligo_bob_received(CaligoBob *bob,
                                 uint64_t now_us,
                                 const uint8_t *frame,
                                 size_t length,
                                 uint8_t *out,
                                 size_t out_length,
                                 CaligoEffect *effect);

// Bob's key, of the words that its bits need, in the agreed permutation, and, if he has classes, one byte for each bit. Both
// are copied.
//
// As for `caligo_bob_poll`.
CaligoStatus caligo_bob_key(CaligoBob *bob,
                            uint64_t now_us,
                            const uint64_t *key,
                            size_t key_words,
                            const uint8_t *classes,
                            size_t classes_length,
                            uint8_t *out,
                            size_t out_length,
                            CaligoEffect *effect);

// Loads the job of `slot` into `decoder`. Nothing of Bob's is borrowed: the decoder may run in any thread.
//
// As for `caligo_bob_poll`; `decoder` comes from `caligo_decoder_init`.
CaligoStatus caligo_bob_load(CaligoBob *bob, size_t slot, CaligoDecoder *decoder);

// What `decoder` made of the job that was loaded and run.
//
// As for `caligo_bob_load`.
CaligoStatus caligo_bob_decoded(CaligoBob *bob,
                                uint64_t now_us,
                                const CaligoDecoder *decoder,
                                uint8_t *out,
                                size_t out_length,
                                CaligoEffect *effect);

// The host gives up.
//
// As for `caligo_bob_poll`.
CaligoStatus caligo_bob_cancel(CaligoBob *bob,
                               uint64_t now_us,
                               uint8_t *out,
                               size_t out_length,
                               CaligoEffect *effect);

// The corrected key, after the effect `CALIGO_EFFECT_DONE`, into `key`, of the words that its bits need. Bits of the sample and
// of blocks that were not verified are in it, and are to be left out.
//
// As for `caligo_bob_poll`.
CaligoStatus caligo_bob_corrected(const CaligoBob *bob,
                                  uint64_t *key,
                                  size_t key_words);

// When Alice's time is up, in microseconds; the greatest number once the machine is over, 0 of null.
//
// As for `caligo_bob_poll`.
uint64_t caligo_bob_deadline(const CaligoBob *bob);

// What was disclosed so far; all zero of null.
//
// As for `caligo_bob_poll`.
CaligoLedger caligo_bob_ledger(const CaligoBob *bob);

// Overwrites the machine's memory, which is the caller's again. Null is allowed.
//
// As for `caligo_bob_poll`.
void caligo_bob_end(CaligoBob *bob);

// Bits of the seed that hashes `input_bits` to `output_bits`: their sum less 1; it takes (bits + 63) / 64 words. 0 if there
// are more than `CALIGO_MAX_TOEPLITZ_BITS`.
size_t caligo_toeplitz_seed_bits(size_t input_bits,
                                 size_t output_bits);

// Words of scratch with which `caligo_toeplitz` is fastest. Less, down to none, only takes longer.
size_t caligo_toeplitz_scratch_words(size_t input_bits, size_t output_bits);

// Privacy amplification: writes the Toeplitz hash of `input` to `output`. Both parties use the same seed, drawn uniformly and
// independently of the key, by one of them, after Bob has his key: it may then be public, over the authenticated channel.
//
// How long the output may be is for the host to compute: at most what an adversary cannot know of the input, less what the
// ledger says was disclosed (`ledger.charged`), less what its security parameter costs.
//
// Output bit j is the sum modulo 2 of seed bit (n - 1 + j - i) times input bit i over all i below n = `input_bits`. Words are
// as many as bits need; bits past the ends do not matter, those of `output` become 0. `scratch` holds sums of key words
// afterwards: it is as secret as the key, and overwritten by the caller.
//
// Pointers are null or valid for as many words, and `output` and `scratch` overlap nothing; `scratch` may be null if it has
// none.
CaligoStatus caligo_toeplitz(const uint64_t *seed,
                             size_t seed_words,
                             const uint64_t *input,
                             size_t input_bits,
                             uint64_t *output,
                             size_t output_bits,
                             uint64_t *scratch,
                             size_t scratch_words);

// `status` in words. The string is static; any other number than a status is named as such.
const char *caligo_status_string(int32_t status);

// Why a machine ended early, in words: the `reason` of an effect of kind `CALIGO_EFFECT_ABORTED`. The string is static.
const char *caligo_reason_string(uint8_t reason);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CALIGO_H */

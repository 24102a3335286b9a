/* The same four bodies behind both doors, so that BoundaryBench compares the crossing and nothing else: plain C exports
 * for java.lang.foreign, and JNI functions of dev.lethe.bench.JniBoundary. Compiled by the bench itself when it runs. */
#include <jni.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  int64_t struct_size;
  int64_t values[4];
} boundary_struct;

static void fill(int64_t *values) {
  for (int i = 0; i < 4; i++) values[i] = i;
}

static float sum(const float *numbers, int64_t count) {
  float total = 0;
  for (int64_t i = 0; i < count; i++) total += numbers[i];
  return total;
}

/* ---- java.lang.foreign: a status, results through pointers, as lethe.h does ---- */

int32_t boundary_empty(void) { return 1; }

int32_t boundary_refuse(int32_t value, char *message) {
  snprintf(message, 64, "value %d is not allowed", value);
  return 1;
}

int32_t boundary_fill(boundary_struct *out) {
  fill(out->values);
  return 0;
}

float boundary_sum(const float *numbers, int64_t count) { return sum(numbers, count); }

/* ---- JNI: exceptions and arrays, as JNI code is written ---- */

JNIEXPORT jint JNICALL Java_dev_lethe_bench_JniBoundary_empty(JNIEnv *env, jclass type) {
  (void)env, (void)type;
  return 1;
}

JNIEXPORT void JNICALL Java_dev_lethe_bench_JniBoundary_refuse(JNIEnv *env, jclass type, jint value) {
  (void)type;
  char message[64];
  snprintf(message, sizeof message, "value %d is not allowed", (int)value);
  (*env)->ThrowNew(env, (*env)->FindClass(env, "java/lang/IllegalArgumentException"), message);
}

JNIEXPORT void JNICALL Java_dev_lethe_bench_JniBoundary_fill(JNIEnv *env, jclass type, jlongArray out) {
  (void)type;
  int64_t values[4];
  fill(values);
  (*env)->SetLongArrayRegion(env, out, 0, 4, (const jlong *)values);
}

JNIEXPORT jfloat JNICALL Java_dev_lethe_bench_JniBoundary_sum(JNIEnv *env, jclass type, jfloatArray numbers, jint count) {
  (void)type;
  float *memory = (*env)->GetPrimitiveArrayCritical(env, numbers, NULL);
  float total = memory ? sum(memory, count) : 0;
  if (memory) (*env)->ReleasePrimitiveArrayCritical(env, numbers, memory, JNI_ABORT);
  return total;
}

JNIEXPORT jfloat JNICALL Java_dev_lethe_bench_JniBoundary_sumAt(JNIEnv *env, jclass type, jlong address, jint count) {
  (void)env, (void)type;
  return sum((const float *)(intptr_t)address, count);
}

#include "kv_command.h"

void kv_command_encode(const struct kv_command* command, struct kv_bytes* to) {
  kv_bytes_add_u8(to, (uint8_t)command->kind);
  kv_bytes_add_u64(to, command->client);
  kv_bytes_add_u64(to, command->sequence);
  kv_bytes_add_u64(to, command->oldest);
  kv_bytes_add_u32(to, (uint32_t)command->key_size);
  kv_bytes_add(to, command->key, command->key_size);
  kv_bytes_add(to, command->value, command->value_size);
}

bool kv_command_decode(struct kv_command* command, const void* data, size_t size) {
  struct kv_reader reader = {.at = data, .left = size, .failed = false};
  const uint8_t kind = kv_read_u8(&reader);
  command->client = kv_read_u64(&reader);
  command->sequence = kv_read_u64(&reader);
  command->oldest = kv_read_u64(&reader);
  command->key_size = kv_read_u32(&reader);
  command->key = kv_read_bytes(&reader, command->key_size);
  command->value_size = reader.left;
  command->value = kv_read_bytes(&reader, reader.left);
  if (reader.failed || (kind != KV_SET && kind != KV_DEL)) return false;
  command->kind = (enum kv_kind)kind;
  return command->sequence != 0 && command->oldest <= command->sequence;
}

namespace Distributed.Jobs.State;

/// <summary>Bytes that are not a well-formed safetensors file. The message says what was found, where, and what is allowed.</summary>
internal sealed class SafetensorsException(string message, Exception? cause = null) : FormatException(message, cause);

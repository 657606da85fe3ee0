namespace Distributed.Core;

/// <summary>A data set that cannot be had: unknown, not on this machine, or malformed. The message is for the user.</summary>
public sealed class DataException(string message, Exception? inner = null) : Exception(message, inner);

namespace Distributed.Coordinator.Chaos;

/// <summary>A plan cannot be carried out. The message says what was found and what is allowed, ready to be shown to the user.</summary>
internal sealed class ChaosPlanException(string message) : Exception(message);

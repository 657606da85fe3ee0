namespace Distributed.Coordinator.Chaos;

/// <summary>A plan cannot be carried out. The message says what was found and what is allowed, ready to be shown to the user.</summary>
public sealed class ChaosPlanException(string message) : Exception(message);

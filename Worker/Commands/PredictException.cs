namespace Distributed.Worker.Commands;

/// <summary>A run that nothing can be predicted with. The message, for the user, says what was found and what to do.</summary>
internal sealed class PredictException(string message, Exception? cause = null) : Exception(message, cause);

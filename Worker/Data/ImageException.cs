namespace Distributed.Worker.Data;

/// <summary>A file that is no image to predict from. The message, for the user, says what is wrong with it, without its name.</summary>
internal sealed class ImageException(string message, Exception? cause = null) : Exception(message, cause);

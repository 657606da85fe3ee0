using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>Calls of models whose type is known only at run time.</summary>
public static class ModelCalls
{
    /// <summary>Runs a model that maps one tensor to one.</summary>
    /// <param name="model">A module in C# or TorchScript.</param>
    /// <param name="input">Its input, usually float32 [samples, …].</param>
    /// <returns>Its output; the caller disposes it.</returns>
    /// <exception cref="PluginException">The model does not map one tensor to one.</exception>
    public static Tensor Call(this nn.Module model, Tensor input) => model is nn.IModule<Tensor, Tensor> mapping
        ? mapping.call(input)
        : throw new PluginException(
            $"the model {model?.GetType().Name} does not take one tensor and give one, which its task needs; "
            + "allowed: a class derived from torch.nn.Module<Tensor, Tensor>, or a task of your own that calls the model as it is");
}

/// <summary>A plugin's model or task cannot be used. The message is for the user: what was found, what is allowed, what to do.</summary>
/// <param name="message">The message, without a final full stop.</param>
/// <param name="cause">The error behind it; null if there is none.</param>
public sealed class PluginException(string message, Exception? cause = null) : Exception(message, cause);

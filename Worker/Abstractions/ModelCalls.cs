using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>Calls of models of which only the task knows what they take and give.</summary>
public static class ModelCalls
{
    /// <summary>What a model makes of one tensor.</summary>
    /// <param name="model">A module that takes one tensor and gives one, whether it is written in C# or TorchScript.</param>
    /// <param name="input">What it takes.</param>
    /// <exception cref="PluginException">It takes or gives something else.</exception>
    public static Tensor Call(this nn.Module model, Tensor input) => model is nn.IModule<Tensor, Tensor> mapping
        ? mapping.call(input)
        : throw new PluginException($"the model {model?.GetType().Name} does not take one tensor and give one, which its task needs; allowed: a class derived from torch.nn.Module<Tensor, Tensor>, "
            + "or a task of your own that calls the model as it is");
}

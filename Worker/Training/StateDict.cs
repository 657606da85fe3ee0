using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>The tensors of a module under the names and in the order that PyTorch's <c>state_dict</c> gives them.</summary>
internal static class StateDict
{
    /// <summary>
    /// Goes through the module and then its children, each with its parameters before its buffers. TorchSharp's own
    /// state_dict puts all parameters before all buffers, so its order is not PyTorch's.
    /// </summary>
    internal static IEnumerable<(string Name, Tensor Tensor)> Entries(nn.Module module, string prefix = "")
    {
        foreach (var (name, parameter) in module.named_parameters(recurse: false)) yield return (prefix + name, parameter);
        foreach (var (name, buffer) in module.named_buffers(recurse: false)) yield return (prefix + name, buffer);

        // A TorchScript module lists what its children hold as its own, and its children are new objects at every call.
        if (module is jit.ScriptModule) yield break;
        foreach (var (name, child) in module.named_children())
        {
            foreach (var entry in Entries(child, $"{prefix}{name}.")) yield return entry;
        }
    }
}

using System.CommandLine;

namespace Distributed.Coordinator.Commands;

internal static class CoordinatorCommands
{
    public static RootCommand Create() =>
        new("Trains models on a cluster. Its size, growth and failures do not change a bit of the result.")
        {
            TrainCommand.Create(), EvaluateCommand.Create(), PredictCommand.Create(), PictureCommand.Create(), InspectCommand.Create(),
            ExportCommand.Create(), CompareCommand.Create(), ShowCommand.Create(), CertsCommand.Create(), TokenCommand.Create(),
            DrainCommand.Create(),
        };
}
